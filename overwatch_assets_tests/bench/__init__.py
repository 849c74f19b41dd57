"""`make bench`: speed and memory, each figure beside that of a named peer in the same run."""
