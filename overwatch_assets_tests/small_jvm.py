"""Settings of Spark on a JVM for small tables."""

# Compiling, planning and optimising cost more than running on them.
SMALL = {
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.shuffle.partitions": "1",
}
_UNVERIFIED = "-XX:+UseSerialGC -XX:+UnlockDiagnosticVMOptions -XX:-BytecodeVerificationRemote"
_LATER = {
    "Invocation": 60_000,
    "MinInvocation": 20_000,
    "Compile": 120_000,
    "BackEdge": 800_000,
}  # some twelve times Java's own

QUICK = {"spark.driver.extraJavaOptions": f"{_UNVERIFIED} -XX:TieredStopAtLevel=1"}
"""For a JVM that lives for seconds: it is best compiled little, which is half of the processor time."""
LONG = {
    "spark.driver.extraJavaOptions": " ".join(
        (_UNVERIFIED, *(f"-XX:Tier4{what}Threshold={times}" for what, times in _LATER.items()))
    )
}
"""For one of minutes: what is seldom called is not compiled a second time."""
