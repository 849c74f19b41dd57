"""A Spark Connect session: Sail inside this process, Spark on a JVM beside it, or a cluster elsewhere."""
