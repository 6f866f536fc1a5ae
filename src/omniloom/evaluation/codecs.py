"""What a codec loses, measured by readers that never saw its output: the ceilings of everything above it.

Each row says how many were read right as they are (`direct`, the reader's own ceiling) and how many after the round
trip (`after`). Pictures are read by the rule reader, speech by the listener; text loses nothing, so for it the cost is
measured: tokens a word.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from omniloom.codecs.base import Codec
from omniloom.codecs.text import TextCodec
from omniloom.core.randomness import generator
from omniloom.data.clips import random_frame, read_frame
from omniloom.data.emoji import NAMES, Drawing, draw, random_sticker, read_sticker, render_sticker
from omniloom.data.emoji.stickers import PALE, SMALL, WHITE
from omniloom.data.problems import Example, SpeechProblem, Transcriber, cell_examples
from omniloom.data.scene_reader import read_scene
from omniloom.data.scenes import MAX_OBJECTS, Pairs, random_scene, render
from omniloom.data.speech import fsdd
from omniloom.data.speech.listener_measure import edit_distance
from omniloom.data.speech.words import heard_as, number_words
from omniloom.evaluation.languages import language_of
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

FRAMES: tuple[tuple[str, Pairs], ...] = (("frames of films", "train"), ("frames of films, held-out pairs", "composed"))


@runtime_checkable
class FrameCoding(Protocol):
    """What an image codec has for videos."""

    def encode_frames(self, pixels: Float[Tensor, "B 3 side side"]) -> Int[Tensor, "B F"]: ...

    def decode_frames(self, codes: Int[Tensor, "B F"]) -> Float[Tensor, "B 3 side side"]: ...


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


Measure = Callable[[MediaCodecs, Transcriber, int], list[Ceiling]]


def measure_codecs(codecs: MediaCodecs, listener: Transcriber, *, limit: int = 300) -> list[Ceiling]:
    """The ceilings of sound, pictures and frames, by all of `MEASURES`; text comes back exactly."""
    return [ceiling for measure in MEASURES.values() for ceiling in measure(codecs, listener, limit)]


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


def measure_frames(codec: FrameCoding, *, limit: int = 300, seed: int = 0) -> list[Ceiling]:
    """Frames of films read right in which all objects stand: each object's colour, shape and quadrant."""
    found = []
    for what, pairs in FRAMES:
        random = generator("measure frames", what, seed)
        clips, frames = zip(*(random_frame(random, pairs=pairs, is_still=True) for _ in range(limit)), strict=True)
        pixels = torch.stack([frame.pixels for frame in frames]).float() / 255
        decoded = codec.decode_frames(codec.encode_frames(pixels)).clamp(0, 1)
        after = [Image(row) for row in (decoded * 255).round().to(torch.uint8)]
        truths = [{item.start: item.name for item in clip.objects} for clip in clips]
        found.append(
            Ceiling(
                codec="image",
                what=what,
                n=limit,
                direct=fmean(read_frame(frame) == truth for frame, truth in zip(frames, truths, strict=True)),
                after=fmean(read_frame(frame) == truth for frame, truth in zip(after, truths, strict=True)),
            )
        )
    return found


def measure_emoji(codec: Codec[Image], *, limit: int = 300, seed: int = 0) -> list[Ceiling]:
    """Emoji read right: all of them as the assistant draws them, plain and small, and some as a user shows them."""
    random = generator("measure emoji", seed)
    pictures = {
        "drawn emoji": [(name, draw(Drawing(name=name))) for name in NAMES],
        "drawn emoji, small": [(name, draw(Drawing(name=name, form=SMALL))) for name in NAMES],
        "shown emoji": [],
        "shown emoji on pale paper": [],
    }
    for index in range(limit):
        name, pale = NAMES[int(random.integers(len(NAMES)))], PALE[index % len(PALE)]
        for what, paper in (("shown emoji", WHITE), ("shown emoji on pale paper", pale)):
            pictures[what].append((name, render_sticker(random_sticker(name, random, background=paper))))
    return [
        Ceiling(
            codec="image",
            what=what,
            n=len(pairs),
            direct=fmean(read_sticker(picture) == name for name, picture in pairs),
            after=fmean(read_sticker(codec.decode(codec.encode(picture))) == name for name, picture in pairs),
        )
        for what, pairs in pictures.items()
    ]


def measure_audio(codec: Codec[Audio], listener: Transcriber, *, limit: int = 300) -> list[Ceiling]:
    """Words heard right in the assistant's voice and in unheard users' voices, and digits by real people."""
    said = cell_examples("text-to-audio", "new", limit)
    heard = [SpeechProblem().example("new", index, "transcribe") for index in range(limit)]
    takes = fsdd.recordings("new")
    sources: dict[str, list[tuple[Audio, str]]] = {}
    for example in said:
        what = f"words of the assistant{_in_language(example)}"
        sources.setdefault(what, []).append((_joined(example.reply.parts), str(example.answer)))
    for example in heard:
        what = f"words of new voices{_in_language(example)}"
        sources.setdefault(what, []).append((_joined(example.prompt[-1].parts), str(example.answer)))
    sources["digits of real voices"] = [(fsdd.load(take), number_words(take.digit)) for take in takes]
    return [_words_heard(codec, listener, what, pairs) for what, pairs in sources.items()]


MEASURES: dict[str, Measure] = {
    "image": lambda codecs, listener, limit: measure_image(codecs.image, limit=limit),
    "frames": lambda codecs, listener, limit: (
        measure_frames(codecs.image, limit=limit) if isinstance(codecs.image, FrameCoding) else []
    ),
    "emoji": lambda codecs, listener, limit: measure_emoji(codecs.image, limit=limit),
    "audio": lambda codecs, listener, limit: measure_audio(codecs.audio, listener, limit=limit),
}
"""What is measured of the codecs, by what is put through them; a new kind of content is one line more."""


def _in_language(example: Example) -> str:
    """What sets apart words that are not English."""
    return ", French" if language_of(example) == "fr" else ""


def _words_heard(codec: Codec[Audio], listener: Transcriber, what: str, pairs: Sequence[tuple[Audio, str]]) -> Ceiling:
    """Words right of words said: one minus the word error, which words too many lower as well."""
    direct, after = [], []
    num_words = 0
    for sound, answer in pairs:
        words = heard_as(answer).split()
        num_words += len(words)
        direct.append(edit_distance(words, heard_as(listener.transcribe(sound)).split()))
        decoded = codec.decode(codec.encode(sound))
        after.append(edit_distance(words, heard_as(listener.transcribe(decoded)).split()))
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
