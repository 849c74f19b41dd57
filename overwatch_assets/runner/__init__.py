"""Load tables of a workspace for windows of time: one pipeline for the command line and for Dagster."""
