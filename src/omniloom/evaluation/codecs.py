"""What a codec loses, measured by readers that never saw its output: the ceilings of everything above it.

Each row says how many were read right as they are (`direct`, the reader's own ceiling) and how many after the round
trip (`after`). Pictures are read by the rule reader, speech by the listener; text loses nothing, so for it the cost is
measured: tokens a word.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
import torch

from omniloom.codecs.base import Codec
from omniloom.codecs.text import TextCodec
from omniloom.core.randomness import generator
from omniloom.data import fsdd
from omniloom.data.problems import SpeechProblem, Transcriber, cell_examples
from omniloom.data.scene_reader import read_scene
from omniloom.data.scenes import random_scene, render
from omniloom.data.words import number_words
from omniloom.evaluation.table import Rows, interval, rich_table, share
from omniloom.stream.parts import Audio, Image

COLUMNS = ("codec", "what", "n", "direct", "after", "95 % interval")


@dataclass(frozen=True, kw_only=True)
class Ceiling:
    """How many of n were read right without the codec and after its round trip."""

    codec: str
    what: str
    n: int
    direct: float
    after: float


@dataclass(frozen=True, kw_only=True)
class TextCeiling:
    """What text costs: tokens a word on texts not trained on, and how many reply words are one token."""

    world_tokens_per_word: float
    english_tokens_per_word: float
    single_token_words: int
    reply_words: int


def measure_text(
    codec: TextCodec, *, world: Sequence[str], english: Sequence[str], reply_words: Sequence[str]
) -> TextCeiling:
    """The cost of two kinds of text, and of the reply words."""

    def cost(texts: Sequence[str]) -> float:
        return sum(len(codec.encode_text(text)) for text in texts) / max(1, sum(len(text.split()) for text in texts))

    return TextCeiling(
        world_tokens_per_word=cost(world),
        english_tokens_per_word=cost(english),
        single_token_words=sum(len(codec.encode_text(f" {word}")) == 1 for word in reply_words),
        reply_words=len(reply_words),
    )


def measure_image(codec: Codec[Image], *, limit: int = 300, seed: int = 0) -> list[Ceiling]:
    """Scenes read right: drawn as the assistant draws, as a user shows them, and of held-out colour-shape pairs."""
    found = []
    for what, is_jittered, pairs in (
        ("canonical scenes", False, "train"),
        ("jittered scenes", True, "train"),
        ("canonical scenes, held-out pairs", False, "composed"),
        ("jittered scenes, held-out pairs", True, "composed"),
    ):
        random = generator("measure image", what, seed)
        scenes = [random_scene(random, num_objects=1 + index % 3, pairs=pairs) for index in range(limit)]  # type: ignore[arg-type]
        pictures = [render(scene, jitter=random if is_jittered else None) for scene in scenes]
        after = [codec.decode(codec.encode(picture)) for picture in pictures]
        found.append(
            Ceiling(
                codec="image",
                what=what,
                n=limit,
                direct=fmean(read_scene(picture) == scene for picture, scene in zip(pictures, scenes, strict=True)),
                after=fmean(read_scene(picture) == scene for picture, scene in zip(after, scenes, strict=True)),
            )
        )
    return found


def measure_audio(codec: Codec[Audio], listener: Transcriber, *, limit: int = 300) -> list[Ceiling]:
    """Words heard right in the assistant's voice and in unheard users' voices, and digits by real people."""
    said = cell_examples("text-to-audio", "new", limit)
    heard = [SpeechProblem().example("new", index, "transcribe") for index in range(limit)]
    takes = fsdd.recordings("new")
    sources: list[tuple[str, list[tuple[Audio, str]]]] = [
        ("words of the assistant", [(_joined(example.reply.parts), str(example.answer)) for example in said]),
        (
            "words of new voices",
            [(_joined(example.prompt[-1].parts), str(example.answer)) for example in heard],
        ),
        ("digits of real voices", [(fsdd.load(take), number_words(take.digit)) for take in takes]),
    ]
    return [_words_heard(codec, listener, what, pairs) for what, pairs in sources]


def real_time_factor(codec: Codec[Audio], *, duration_s: float = 10.0, repeats: int = 3) -> float:
    """Seconds of sound through encoder and decoder in a second of this machine: the best of `repeats`."""
    noise = np.random.default_rng(0).standard_normal(int(16_000 * duration_s)).astype(np.float32) * 0.1
    audio = Audio(torch.from_numpy(noise.clip(-1, 1)), 16_000)
    times_s = [_timed(lambda: codec.decode(codec.encode(audio))) for _ in range(repeats + 1)]
    return duration_s / min(times_s[1:])


def ceiling_table(ceilings: Sequence[Ceiling]) -> object:
    """The rows for the terminal."""
    return rich_table("Codec ceilings", COLUMNS, ceiling_rows(ceilings))


def ceiling_rows(ceilings: Sequence[Ceiling]) -> Rows:
    return [(c.codec, c.what, str(c.n), share(c.direct), share(c.after), interval(c.after, c.n)) for c in ceilings]


def words_right(truth: str, heard: str) -> tuple[int, int]:
    """(words of the truth that were heard in order, words of the truth): a longest common subsequence."""
    expected, found = truth.split(), heard.split()
    row = [0] * (len(found) + 1)
    for word in expected:
        before = row
        row = [0]
        for place, other in enumerate(found):
            row.append(before[place] + 1 if word == other else max(before[place + 1], row[place]))
    return row[-1], len(expected)


def _words_heard(codec: Codec[Audio], listener: Transcriber, what: str, pairs: list[tuple[Audio, str]]) -> Ceiling:
    def right(sounds: Iterable[Audio]) -> tuple[int, int]:
        counts = [
            words_right(answer, listener.transcribe(sound)) for sound, (_, answer) in zip(sounds, pairs, strict=True)
        ]
        return sum(count for count, _ in counts), sum(total for _, total in counts)

    direct, n = right(sound for sound, _ in pairs)
    after, _ = right(codec.decode(codec.encode(sound)) for sound, _ in pairs)
    return Ceiling(codec="audio", what=what, n=n, direct=direct / n, after=after / n)


def _joined(parts: Sequence[object]) -> Audio:
    sounds = [part for part in parts if isinstance(part, Audio)]
    return Audio(torch.cat([sound.resampled(sounds[0].rate_hz).samples for sound in sounds]), sounds[0].rate_hz)


def _timed(work: Callable[[], object]) -> float:
    started_s = time.perf_counter()
    work()
    return time.perf_counter() - started_s
