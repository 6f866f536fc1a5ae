"""Types of command-line values, for the parsers of `cli` and of what lies below it and brings options of its own."""

from __future__ import annotations

import argparse


def positive_int(text: str) -> int:
    """A whole number above zero, for `type=`."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number above 0, got {text!r}")
    return number
