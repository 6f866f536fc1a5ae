"""Ask the shipped model in writing, by voice and with a picture, and keep what it says and draws.

    python examples/first_conversation.py --out answers

The question by voice is the model's own voice here, so that the example needs no microphone; give a recording of yours
with --audio.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from omniloom import Audio, Omni


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", default="tiny", help="a shipped name or a folder")
    parser.add_argument("--audio", type=Path, help="a recording, for instance of a spoken digit")
    parser.add_argument("--out", type=Path, default=Path("answers"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    omni = Omni.load(options.checkpoint)

    print("what is 7 plus 12?", "->", omni.reply("what is 7 plus 12?", want="text").text)

    drawn = omni.reply("draw a big red circle at the top left", want="image")
    print("draw a big red circle at the top left", "->", drawn.text)
    if drawn.image is not None:
        drawn.image.save(options.out / "drawing.png")
        seen = omni.reply(["what do you see?", drawn.image], want="text")
        print("what do you see?", "->", seen.text)

    said = omni.reply("say seven", want="audio")
    voice = Audio.open(options.audio) if options.audio else said.audio
    if voice is not None:
        voice.save(options.out / "question.wav")
        print("which digit is this?", "->", omni.reply(["which digit is this?", voice], want="text").text)


if __name__ == "__main__":
    main()
