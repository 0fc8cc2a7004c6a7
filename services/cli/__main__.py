"""Runs the command line with `python -m services.cli`."""

from services.cli.app import main

main()
