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
    "Invocation": 15_000,
    "MinInvocation": 5_000,
    "Compile": 30_000,
    "BackEdge": 200_000,
}  # three times Java's own

QUICK = {"spark.driver.extraJavaOptions": f"{_UNVERIFIED} -XX:TieredStopAtLevel=1"}
"""For a JVM that lives for seconds: it is best compiled little, which is half of the processor time."""
LONG = {
    "spark.driver.extraJavaOptions": " ".join(
        (_UNVERIFIED, *(f"-XX:Tier4{what}Threshold={times}" for what, times in _LATER.items()))
    )
}
"""For one of minutes: what is seldom called is not compiled a second time, which takes a fifth of it."""
