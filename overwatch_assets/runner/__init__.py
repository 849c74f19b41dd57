"""Load tables of a workspace for windows of time. One pipeline for the command line, Dagster and whatever comes later."""
