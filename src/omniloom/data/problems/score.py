"""Judging a reply, and what judging it is worth: partial scores, the majority answer, the shuffled-input control.

Text is judged by its words, pictures by a rule reader, speech by a recogniser that is handed in; none of the three ever
saw a model's output. The text that comes with speech or a picture counts for nothing: the model must say or draw it.
"""

from __future__ import annotations

import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch

from omniloom.core.randomness import generator
from omniloom.data.emoji import Drawing, describe_drawing, read_drawing
from omniloom.data.problems.base import HEARD_MARK, Answer, Example
from omniloom.data.scene_reader import is_empty_sheet, read_scene
from omniloom.data.scenes import Scene, describe
from omniloom.data.speech.words import heard_as
from omniloom.stream.message import Message, wanted_of
from omniloom.stream.parts import Audio, Image, Part, Text, Video

EMPTY_SHEET = "empty sheet"
"""The answer of an example whose right picture shows nothing, and what is read off such a picture."""

MODALITIES: dict[str, type[Part]] = {"text": Text, "audio": Audio, "image": Image, "video": Video}


@runtime_checkable
class Transcriber(Protocol):
    """Whoever hears a spoken reply: `data.speech.listener.Listener`, or a stand-in in tests."""

    def transcribe(self, audio: Audio) -> str: ...


def score(example: Example, reply: Sequence[Part], listener: Transcriber | None = None) -> float:
    """1.0 where the reply, in the form that was wanted, is right in whole; else 0.0."""
    heard = read_reply(example, reply, listener)
    is_right = heard is not None and heard == _truth(example)
    return float(is_right and (not _is_twofold(example) or _heard(example, reply, listener) == answer_text(example)))


def partial_scores(example: Example, reply: Sequence[Part], listener: Transcriber | None = None) -> dict[str, float]:
    """What of the reply is right: for pictures the share of objects with each property, else the share of words."""
    heard = read_reply(example, reply, listener)
    if not isinstance(example.answer, str):
        is_drawn = isinstance(heard, type(example.answer))
        scores = _judge(example).parts(example.answer, heard if is_drawn else None)
        if _is_twofold(example):
            scores["words"] = _share_right(answer_text(example), _heard(example, reply, listener))
        return scores
    return {"words": _share_right(str(_truth(example)), heard if isinstance(heard, str) else None)}


def read_reply(example: Example, reply: Sequence[Part], listener: Transcriber | None) -> Answer | None:
    """The reply as the judge of its form reads it; None where the form is missing or cannot be read.

    Of a picture with speech this is the picture.
    """
    wants = wanted_of(example.reply)
    if "image" in wants:
        pictures = [part for part in reply if isinstance(part, Image)]
        if pictures and is_empty_sheet(pictures[-1]):
            return EMPTY_SHEET
        return _judge(example).read(pictures[-1]) if pictures else None
    if "audio" in wants:
        return _heard(example, reply, listener)
    return _judged(example, "".join(part.text for part in reply if isinstance(part, Text)))


def normalised(text: str) -> str:
    """Lower case, no punctuation, single spaces, each accented letter one character."""
    composed = unicodedata.normalize("NFC", text.lower())
    return " ".join(composed.translate(str.maketrans("", "", string.punctuation)).split())


def answer_text(example: Example) -> str:
    """The right answer as words, whatever form it is given in."""
    return normalised(example.answer) if isinstance(example.answer, str) else _judge(example).words(example.answer)


def majority(examples: Sequence[Example]) -> float:
    """What the best constant reply scores on these examples."""
    if not examples:
        raise ValueError("no examples to find the majority answer of")
    return Counter(map(answer_text, examples)).most_common(1)[0][1] / len(examples)


def shuffled(examples: Sequence[Example], seed: int = 0) -> list[Example]:
    """The same questions and answers, the content of each taken from another example, whatever that one's answer.

    Only parts of the cell's input modality change places, between examples of one task where there is such a pair, so
    that what remains is what can be guessed without the input. Donors are not chosen for a different answer: that would
    push the control below chance where answers are few.
    """
    random = generator("shuffled", seed)
    found = []
    for example in examples:
        if example.cell is None:
            raise ValueError(f"task {example.task} belongs to no cell, so it has no one input to shuffle")
        others = [other for other in examples if other is not example]
        donors = [other for other in others if other.task == example.task] or others
        if not donors:
            raise ValueError("one example has nothing to be shuffled with; give more of them")
        donor = donors[int(random.integers(len(donors)))]
        found.append(_with_input_of(example, donor))
    return found


def _with_input_of(example: Example, donor: Example) -> Example:
    assert example.cell is not None
    kind = MODALITIES[example.cell.split("-to-")[0]]
    given = [part for part in donor.messages[-2].parts if isinstance(part, kind)]
    parts: list[Part] = []
    for part in example.messages[-2].parts:
        parts.append(given.pop(0) if isinstance(part, kind) and given else part)
    return replace(example, messages=(*example.messages[:-2], Message("user", tuple(parts)), example.reply))


def _truth(example: Example) -> Answer:
    if not isinstance(example.answer, str):
        return example.answer
    truth = normalised(example.answer)
    # Words that sound alike are one word to whoever hears them, and two to whoever reads them.
    return heard_as(truth) if "audio" in wanted_of(example.reply) else truth


def _is_twofold(example: Example) -> bool:
    """Whether the picture has to be said as well as drawn."""
    return {"audio", "image"} <= wanted_of(example.reply)


def _heard(example: Example, reply: Sequence[Part], listener: Transcriber | None) -> str | None:
    """What the reply says aloud; None where it says nothing."""
    sounds = [part for part in reply if isinstance(part, Audio)]
    if not sounds:
        return None
    if listener is None:
        raise ValueError(f"task {example.task} is answered aloud; give a listener to judge it")
    rate_hz = sounds[0].rate_hz
    joined = torch.cat([sound.resampled(rate_hz).samples for sound in sounds])
    return heard_as(_judged(example, listener.transcribe(Audio(joined, rate_hz))))


def _judged(example: Example, words: str) -> str:
    """The words that count."""
    if example.judged_after == HEARD_MARK:
        return normalised(words.rpartition(HEARD_MARK)[2])
    words = normalised(words)
    return words if example.judged_after is None else f" {words}".rpartition(f" {example.judged_after} ")[2].strip()


def _share_right(truth: str, heard: str | None) -> float:
    """The share of words that are right, each in its place."""
    told, words = truth.split(), (heard or "").split()
    return sum(a == b for a, b in zip(told, words, strict=False)) / max(len(told), len(words))


def _scene_scores(truth: Scene, drawn: Scene | None) -> dict[str, float]:
    """Objects are matched by where they stand; an object drawn too many counts against each property."""
    drawn_at = {item.position: item for item in drawn.objects} if drawn else {}
    most = max(len(truth.objects), len(drawn_at))
    pairs = [(item, drawn_at[item.position]) for item in truth.objects if item.position in drawn_at]
    return {
        "position": len(pairs) / most,
        "colour": sum(a.colour == b.colour for a, b in pairs) / most,
        "shape": sum(a.shape == b.shape for a, b in pairs) / most,
        "size": sum(a.size == b.size for a, b in pairs) / most,
    }


def _drawing_scores(truth: Drawing, drawn: Drawing | None) -> dict[str, float]:
    return {
        "emoji": float(drawn is not None and drawn.name == truth.name),
        "form": float(drawn is not None and drawn.form == truth.form),
    }


class _Judge(NamedTuple):
    """How answers of one kind that are drawn are read off a picture, put in words, and scored in part."""

    read: Callable[[Image], Any]
    words: Callable[[Any], str]
    parts: Callable[[Any, Any], dict[str, float]]


_JUDGES: dict[type, _Judge] = {
    Scene: _Judge(read_scene, describe, _scene_scores),
    Drawing: _Judge(read_drawing, describe_drawing, _drawing_scores),
}


def _judge(example: Example) -> _Judge:
    """The judge of the answer's kind; pictures with a written answer are read as scenes, and are not like it."""
    return _JUDGES.get(type(example.answer), _JUDGES[Scene])
