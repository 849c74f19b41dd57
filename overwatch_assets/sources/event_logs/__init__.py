"""Spark event logs: which files there are, and their bytes as Arrow batches of lines."""
