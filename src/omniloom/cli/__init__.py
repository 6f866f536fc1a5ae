"""The `omniloom` command."""

from omniloom.cli.main import main as main
