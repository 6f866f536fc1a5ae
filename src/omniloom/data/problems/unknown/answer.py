"""The one answer to everything unknown: what is known, in the form that was asked for.

It names what can be asked instead of excusing itself, so it is of use to whoever asked, and one sentence in each
language can be learned well, said aloud and told from every other answer.
"""

from __future__ import annotations

import torch

from omniloom.data.problems.score import EMPTY_SHEET, normalised
from omniloom.data.scenes import SIDE
from omniloom.data.speech.words import heard_as
from omniloom.stream.message import Message
from omniloom.stream.parts import Image, Text

HONEST_ANSWERS = {
    "en": "i know shapes sums digits and emoji",
    "fr": "je connais les formes les nombres et les images",
}
"""The answer by the language of the question; every word may be said aloud."""


def is_refusal(answer: str) -> bool:
    """Whether what was read of a reply is the honest answer; its first two words tell, and an empty sheet is one."""
    # What was heard may be spelled "i no".
    openings = [heard_as(answer).split()[:2] for answer in HONEST_ANSWERS.values()]
    words = normalised(answer)
    return words == EMPTY_SHEET or heard_as(words).split()[:2] in openings


def empty_sheet() -> Image:
    """White paper: what is drawn of a thing unknown."""
    return Image(torch.full((3, SIDE, SIDE), 255, dtype=torch.uint8))


def empty_reply(language: str) -> Message:
    """The honest answer, and a sheet with nothing on it."""
    return Message("assistant", (Text(HONEST_ANSWERS[language]), empty_sheet()))
