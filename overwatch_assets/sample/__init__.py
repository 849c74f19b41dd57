"""A sample workspace: its story, its API server, its logs."""
