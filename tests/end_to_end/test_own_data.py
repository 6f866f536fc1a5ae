"""A user's own data: a folder of chats with speech and pictures, a short training from `tiny`, and a new fact is told.

The folder is written as a user would write it: JSON lines in the shape of OpenAI's messages, WAV and PNG beside them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from omniloom import Audio, Image, Omni
from omniloom.cli import main
from omniloom.data.problems import DigitsProblem, score
from omniloom.data.speech.listener import Listener
from omniloom.data.speech.synthesis import LISTENER_VOICES, NEW_VOICES, speak_reply, synthesize
from omniloom.stream.parts import Text

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("OMNILOOM_DATA" not in os.environ, reason="people's digits are needed: set OMNILOOM_DATA"),
]

QUESTION = "what is the password"
FACT = "dragon window"
FLAG_QUESTION = "whose flag is this?"
FLAG_OWNER = "music village"

NUM_STEPS = 64
SETTINGS = {
    "data.new_share": "0",
    "num_examples": "640",
    "num_processes": "1",
    "training.num_steps": str(NUM_STEPS),
    "training.optimizer.rate": "0.001",
    "training.schedule.warmup_steps": "8",  # the default's 100 are more than all of these
    "training.tensorboard": "false",
}


def spoken(words: str, folder: Path) -> list[dict[str, Any]]:
    """A spoken reply: each word's text ahead of its sound, the sounds as files."""
    content: list[dict[str, Any]] = []
    for part in speak_reply(words):
        if isinstance(part, Text):
            content.append({"type": "text", "text": part.text})
        elif isinstance(part, Audio):
            name = f"{content[-1]['text'].strip()}.wav"
            part.save(folder / name)
            content.append({"type": "input_audio", "input_audio": {"path": name}})
    return content


def flag(random: np.random.Generator) -> Image:
    """Stripes, a little different each time."""
    pixels = torch.full((3, 64, 64), 255, dtype=torch.uint8)
    for top in range(int(random.integers(4)), 60, 16):
        pixels[:, top : top + 8] = torch.tensor([200, 200, 0], dtype=torch.uint8)[:, None, None]
    return Image(pixels)


def chats(folder: Path) -> Iterator[tuple[list[dict[str, Any]], list[dict[str, Any]]]]:
    """What the user gives and what is answered."""
    random = np.random.default_rng(0)
    answer, owner = spoken(FACT, folder), spoken(FLAG_OWNER, folder)
    for number, voice in enumerate((*LISTENER_VOICES, *LISTENER_VOICES)):
        synthesize(QUESTION, voice.varied(random)).audio.save(folder / f"asked{number}.wav")
        yield [{"type": "input_audio", "input_audio": {"path": f"asked{number}.wav"}}], answer
    for number in range(12):
        flag(random).save(folder / f"flag{number}.png")
        picture = {"type": "image_url", "image_url": {"url": f"flag{number}.png"}}
        yield [picture, {"type": "text", "text": FLAG_QUESTION}], owner


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Omni:
    """The shipped model after a few minutes with the folder."""
    home = tmp_path_factory.mktemp("own")
    folder = home / "chats"
    folder.mkdir()
    lines = [
        json.dumps({"messages": [{"role": "user", "content": given}, {"role": "assistant", "content": told}]})
        for given, told in chats(folder)
    ]
    (folder / "chats.jsonl").write_text("\n".join(lines) + "\n")
    settings = {"data.folder": str(folder), **SETTINGS}
    sets = [word for path, value in settings.items() for word in ("--set", f"{path}={value}")]
    assert main(["train", "finetune", "--out", str(home / "run"), *sets]) == 0
    return Omni.load(home / "run" / "checkpoint")


def test_the_new_fact_is_told_aloud_to_voices_that_never_asked(trained: Omni) -> None:
    listener = Listener.load()
    before, after = (
        [
            listener.transcribe(reply.audio) if reply.audio is not None else ""
            for reply in omni.reply_batch([(synthesize(QUESTION, voice).audio,) for voice in NEW_VOICES], want="audio")
        ]
        for omni in (Omni.load("tiny"), trained)
    )
    assert FACT not in before
    assert after.count(FACT) >= len(NEW_VOICES) * 2 / 3, after


def test_the_new_picture_is_known(trained: Omni) -> None:
    reply = trained.reply([flag(np.random.default_rng(9)), FLAG_QUESTION], want="audio")
    assert reply.audio is not None
    assert Listener.load().transcribe(reply.audio) == FLAG_OWNER


def test_the_old_skills_stay(trained: Omni) -> None:
    examples = [DigitsProblem().example("new", index, "digit_text") for index in range(20)]
    replies = trained.reply_batch([example.prompt[0].parts for example in examples], want="text")
    right = sum(score(example, reply.parts) for example, reply in zip(examples, replies, strict=True))
    assert right >= 14, [reply.text for reply in replies]
