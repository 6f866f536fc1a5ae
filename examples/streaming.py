"""Hear a reply while it is being made: events as they come, and how long the first sound took.

python examples/streaming.py "say red star seven"
"""

from __future__ import annotations

import argparse
import time

from omniloom import Omni
from omniloom.generation import AudioDelta, Done, TextDelta


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", nargs="?", default="say red star seven")
    parser.add_argument("--checkpoint", default="tiny", help="a shipped name or a folder")
    options = parser.parse_args()
    omni = Omni.load(options.checkpoint)
    start = time.perf_counter()
    for event in omni.stream(options.text, want="audio"):
        at_ms = 1000 * (time.perf_counter() - start)
        if isinstance(event, TextDelta):
            print(f"{at_ms:6.0f} ms  text   {event.text!r}")
        elif isinstance(event, AudioDelta):
            print(f"{at_ms:6.0f} ms  sound  {1000 * event.samples.numel() / event.rate_hz:.0f} ms of it")
        elif isinstance(event, Done):
            print(f"{at_ms:6.0f} ms  done   {event.finish_reason}")


if __name__ == "__main__":
    main()
