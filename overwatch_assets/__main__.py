"""`python -m overwatch_assets` is the `overwatch` command."""

from overwatch_assets.cli import main

main()
