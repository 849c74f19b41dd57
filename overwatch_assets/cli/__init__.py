"""The `overwatch` command. Commands import what they need when they run, so that `--help` is quick."""

from overwatch_assets.cli.app import app, main

__all__ = ["app", "main"]
