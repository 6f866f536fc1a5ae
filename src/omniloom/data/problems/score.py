"""Judging a reply, and what judging it is worth: partial scores, the majority answer, the shuffled-input control.

Text is judged by its words, pictures by a rule reader, speech by a recogniser that is handed in; none of the three ever
saw a model's output. The text that comes with speech or a picture counts for nothing: the model must say or draw it.
"""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol, runtime_checkable

import torch

from omniloom.core.randomness import generator
from omniloom.data.problems.base import Example
from omniloom.data.scene_reader import read_scene
from omniloom.data.scenes import Scene, describe
from omniloom.stream.message import Message, wanted_of
from omniloom.stream.parts import Audio, Image, Part, Text

MODALITIES: dict[str, type[Part]] = {"text": Text, "audio": Audio, "image": Image}


@runtime_checkable
class Transcriber(Protocol):
    """Whoever hears a spoken reply: `data.speech.listener.Listener`, or a stand-in in tests."""

    def transcribe(self, audio: Audio) -> str: ...


def score(example: Example, reply: Sequence[Part], listener: Transcriber | None = None) -> float:
    """1.0 where the reply, in the form that was wanted, is right in whole; else 0.0."""
    heard = read_reply(example, reply, listener)
    return float(heard is not None and heard == _truth(example))


def partial_scores(example: Example, reply: Sequence[Part], listener: Transcriber | None = None) -> dict[str, float]:
    """What of the reply is right: for pictures the share of objects with each property, else the share of words."""
    heard = read_reply(example, reply, listener)
    if isinstance(example.answer, Scene):
        return _scene_scores(example.answer, heard if isinstance(heard, Scene) else None)
    truth = normalised(example.answer).split()
    words = heard.split() if isinstance(heard, str) else []
    right = sum(a == b for a, b in zip(truth, words, strict=False))
    return {"words": right / max(len(truth), len(words))}


def read_reply(example: Example, reply: Sequence[Part], listener: Transcriber | None) -> str | Scene | None:
    """The reply as the judge of its form reads it; None where the form is missing or cannot be read."""
    wants = wanted_of(example.reply)
    if "image" in wants:
        pictures = [part for part in reply if isinstance(part, Image)]
        return read_scene(pictures[-1]) if pictures else None
    if "audio" in wants:
        sounds = [part for part in reply if isinstance(part, Audio)]
        if not sounds:
            return None
        if listener is None:
            raise ValueError(f"task {example.task} is answered aloud; give a listener to judge it")
        rate_hz = sounds[0].rate_hz
        joined = torch.cat([sound.resampled(rate_hz).samples for sound in sounds])
        return normalised(listener.transcribe(Audio(joined, rate_hz)))
    return normalised("".join(part.text for part in reply if isinstance(part, Text)))


def normalised(text: str) -> str:
    """Lower case, no punctuation, single spaces."""
    return " ".join(text.lower().translate(str.maketrans("", "", string.punctuation)).split())


def answer_text(example: Example) -> str:
    """The right answer as words, whatever form it is given in."""
    return describe(example.answer) if isinstance(example.answer, Scene) else normalised(example.answer)


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


def _truth(example: Example) -> str | Scene:
    return example.answer if isinstance(example.answer, Scene) else normalised(example.answer)


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
