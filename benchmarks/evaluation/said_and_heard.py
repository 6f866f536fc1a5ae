"""How much of what the speech endpoint says is right, and of what the transcription endpoint writes.

    python benchmarks/evaluation/said_and_heard.py
    python benchmarks/evaluation/said_and_heard.py --count 20 --split train --silence-ms 128 200 500 --threshold 0.3 0.5

*Said*: random phrases of one to six words of the model's world, asked for in one piece, and heard by the listener; the
endpoint itself says at most four words at once, and this is why. *Heard*: people's digits alone in a quiet room, and
rows of phrases by synthetic voices with pauses of 0.3 to 1 s, sent to the endpoint; words right are those that stand in
both texts in the same order. How to cut is chosen with `--split train`, and told of with `new`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from difflib import SequenceMatcher
from itertools import product
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from starlette.testclient import TestClient

from omniloom.core.randomness import generator
from omniloom.data.problems.base import Split
from omniloom.data.problems.speech_problem import phrase_of
from omniloom.data.problems.turns import aloud
from omniloom.data.speech import fsdd
from omniloom.data.speech.listener import Listener
from omniloom.data.speech.words import DIGIT_WORDS, PHRASE_WORDS_IN, heard_as
from omniloom.evaluation.intervals import wilson
from omniloom.evaluation.table import markdown_table
from omniloom.generation import Omni
from omniloom.serving.app import create_app
from omniloom.serving.sounds import write_sound
from omniloom.stream.parts import Audio

RATE_HZ = 16_000
ROOM = 3e-4
"""The noise of a quiet study, 70 dB under full scale."""
PAUSES_S = (0.3, 1.0)
PHRASES = 6
"""In one sound, each of one to four words."""
LENGTHS = (0.25, 0.25, 0.25, 0.25)
SAY = {"en": 'say "{}"', "fr": 'dis "{}"'}

Row = dict[str, Any]
Sample = tuple[str, np.ndarray]


def said(omni: Omni, *, count: int) -> Iterator[Row]:
    """Shares of phrases of which the listener hears every word right, by language and length."""
    listener, random = Listener.load(), generator("said")
    for language, num_words in product(SAY, range(1, 7)):
        pool = PHRASE_WORDS_IN[language]
        phrases = [" ".join(random.choice(pool, num_words)) for _ in range(count)]
        replies = omni.reply_batch([SAY[language].format(phrase) for phrase in phrases], "audio")
        heard = [listener.transcribe(reply.audio) if reply.audio is not None else "" for reply in replies]
        right = sum(one == heard_as(phrase) for one, phrase in zip(heard, phrases, strict=True))
        yield {"said": language, "words": num_words, **_share(right, count)}


def heard(omni: Omni, *, count: int, split: Split, silence_ms: int, threshold: float) -> Iterator[Row]:
    """Shares of words that the endpoint writes right, of each kind of sound."""
    with TestClient(create_app(omni, model_name="tiny"), base_url="http://localhost") as web:
        for kind, samples in (
            ("digits alone", _digits(count, split)),
            ("phrases", _talks(count // PHRASES + 1, split)),
        ):
            num_right = num_words = num_written = 0
            for words, sound in samples:
                fields = {"silence_duration_ms": silence_ms, "threshold": threshold, "type": "server_vad"}
                form = {"model": "tiny", "chunking_strategy": json.dumps(fields)}
                file = {"file": ("talk.wav", write_sound(sound, RATE_HZ, "wav"))}
                written = web.post("/v1/audio/transcriptions", data=form, files=file).json()["text"].split()
                blocks = SequenceMatcher(None, words.split(), written, autojunk=False).get_matching_blocks()
                num_right += sum(block.size for block in blocks)
                num_words, num_written = num_words + len(words.split()), num_written + len(written)
            made = {"silence_ms": silence_ms, "threshold": threshold, "written": num_written}
            yield {"heard": kind, **made, **_share(num_right, num_words)}


def _digits(count: int, split: Split) -> Iterator[Sample]:
    """Of as many people as there are, in a drawn order."""
    random = generator("digits heard")
    takes = list(fsdd.recordings(split))
    for place in random.permutation(len(takes))[:count]:
        yield DIGIT_WORDS[takes[place].digit], _in_room(random, [_samples(fsdd.load(takes[place]))])


def _talks(count: int, split: Split) -> Iterator[Sample]:
    """Several phrases of one kind of voice after the other."""
    random = generator("phrases heard")
    for _ in range(count):
        phrases = [phrase_of(random, split, LENGTHS) for _ in range(PHRASES)]
        sounds = [_samples(aloud(phrase, random, split)[0]) for phrase in phrases]
        yield " ".join(phrases), _in_room(random, sounds)


def _samples(sound: Audio) -> np.ndarray:
    return sound.resampled(RATE_HZ).samples.numpy()


def _in_room(random: np.random.Generator, sounds: list[np.ndarray]) -> np.ndarray:
    pieces = [np.zeros(RATE_HZ // 2, np.float32)]
    for sound in sounds:
        pieces += [sound, np.zeros(round(random.uniform(*PAUSES_S) * RATE_HZ), np.float32)]
    whole = np.concatenate([*pieces, np.zeros(RATE_HZ // 2, np.float32)])
    return cast(np.ndarray, (whole + random.normal(0, ROOM, whole.size)).astype(np.float32))


def _share(right: int, count: int) -> Row:
    low, high = wilson(right / count, count)
    return {"right": right / count, "low": low, "high": high, "n": count}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100, help="phrases a length, digits, and a sixth as many talks")
    parser.add_argument("--only", choices=("said", "heard"))
    parser.add_argument("--split", choices=("new", "train"), default="new")
    parser.add_argument("--silence-ms", type=int, nargs="+", default=[200])
    parser.add_argument("--threshold", type=float, nargs="+", default=[0.5])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    omni, rows = Omni.load("tiny"), []
    if options.only != "heard":
        rows += list(said(omni, count=options.count))
    if options.only != "said":
        for silence_ms, threshold in product(options.silence_ms, options.threshold):
            how = {"count": options.count, "split": options.split, "silence_ms": silence_ms, "threshold": threshold}
            rows += list(heard(omni, **how))
    for kind in ("said", "heard"):
        if found := [row for row in rows if kind in row]:
            print(markdown_table(list(found[0]), [tuple(map(_told, row.values())) for row in found]) + "\n")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


def _told(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
