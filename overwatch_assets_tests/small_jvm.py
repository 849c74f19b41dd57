"""Settings of Spark on a JVM for small tables."""

# Compiling, planning and optimising cost more than running on them.
SMALL = {
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.shuffle.partitions": "1",
}
# And so does the second of Java's compilers, unless it waits three times as long as it would; and verifying classes.
_LATER = (("Invocation", 15_000), ("MinInvocation", 5_000), ("Compile", 30_000), ("BackEdge", 200_000))
LONG = " ".join(
    (
        "-XX:+UseSerialGC -XX:+UnlockDiagnosticVMOptions -XX:-BytecodeVerificationRemote",
        *(f"-XX:Tier4{what}Threshold={times}" for what, times in _LATER),
    )
)
"""Options of Java for a test of minutes."""
