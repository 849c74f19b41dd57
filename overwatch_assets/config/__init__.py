"""The deployment file as typed settings: workspaces, engine, secrets."""
