"""`omniloom checkpoint`: what is made of a run's checkpoints."""

from omniloom.cli.commands.checkpoint.command import EXAMPLES as EXAMPLES
from omniloom.cli.commands.checkpoint.command import SUMMARY as SUMMARY
from omniloom.cli.commands.checkpoint.command import add_arguments as add_arguments
from omniloom.cli.commands.checkpoint.command import run as run
