"""The `omniloom` command."""

from omniloom.cli.program import main as main
