"""What a codec loses, measured by readers that never saw its output: the ceilings of everything above it.

Each row says how many were read right as they are (`direct`, the reader's own ceiling) and how many after the round
trip (`after`). Pictures are read by the rule reader, speech by the listener; text loses nothing, so for it the cost is
measured: tokens a word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import torch

from omniloom.codecs.base import Codec
from omniloom.codecs.text import TextCodec
from omniloom.core.randomness import generator
from omniloom.data.problems import SpeechProblem, Transcriber, cell_examples
from omniloom.data.scene_reader import read_scene
from omniloom.data.scenes import MAX_OBJECTS, Pairs, random_scene, render
from omniloom.data.speech import fsdd
from omniloom.data.speech.listener_measure import edit_distance
from omniloom.data.speech.words import number_words
from omniloom.evaluation.report import Ceiling
from omniloom.evaluation.round_trip import MediaCodecs
from omniloom.stream.parts import Audio, Image, Part

SCENES: tuple[tuple[str, bool, Pairs], ...] = (
    ("drawn scenes", False, "train"),
    ("shown scenes", True, "train"),
    ("drawn scenes, held-out pairs", False, "composed"),
    ("shown scenes, held-out pairs", True, "composed"),
)
"""Name, whether jittered as a user's pictures are, and which colour-shape pairs they hold."""


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


def measure_codecs(codecs: MediaCodecs, listener: Transcriber, *, limit: int = 300) -> list[Ceiling]:
    """The ceilings of sound and pictures; text comes back exactly."""
    return [*measure_image(codecs.image, limit=limit), *measure_audio(codecs.audio, listener, limit=limit)]


def measure_image(codec: Codec[Image], *, limit: int = 300, seed: int = 0) -> list[Ceiling]:
    """Scenes read right: drawn as the assistant draws, as a user shows them, and of held-out colour-shape pairs."""
    found = []
    for what, is_jittered, pairs in SCENES:
        random = generator("measure image", what, seed)
        scenes = [random_scene(random, num_objects=1 + index % MAX_OBJECTS, pairs=pairs) for index in range(limit)]
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


def _words_heard(codec: Codec[Audio], listener: Transcriber, what: str, pairs: Sequence[tuple[Audio, str]]) -> Ceiling:
    """Words right of words said: one minus the word error, which words too many lower as well."""
    direct, after = [], []
    num_words = 0
    for sound, answer in pairs:
        words = answer.split()
        num_words += len(words)
        direct.append(edit_distance(words, listener.transcribe(sound).split()))
        after.append(edit_distance(words, listener.transcribe(codec.decode(codec.encode(sound))).split()))
    return Ceiling(
        codec="audio",
        what=what,
        n=num_words,
        direct=max(0.0, 1 - sum(direct) / num_words),
        after=max(0.0, 1 - sum(after) / num_words),
    )


def _joined(parts: Sequence[Part]) -> Audio:
    sounds = [part for part in parts if isinstance(part, Audio)]
    return Audio(torch.cat([sound.resampled(sounds[0].rate_hz).samples for sound in sounds]), sounds[0].rate_hz)
