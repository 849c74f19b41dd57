"""Records the sample's Spark event logs: real applications, on a standalone cluster of real Spark 3.5 and 4.x."""
