"""The only place that reads and writes tables: Delta at paths, behind guards that hold on every engine."""
