"""Two hundred emoji: what is this, draw one, make it small, where is it.

A picture that the user shows has the emoji anywhere and of any size; one that the assistant draws has one of a few
forms, each with one right picture. An emoji is known by sight alone, so every name is trained on. Held out for *new*
are places and sizes to the pixel, and wordings; for *composed*, quarters of the sheet in which an emoji is never shown
and forms in which it is never drawn, while others are shown there and drawn so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256
from typing import ClassVar

import numpy as np

from omniloom.data.emoji import (
    CORNERS,
    NAMES,
    Drawing,
    Sticker,
    describe_drawing,
    draw,
    random_sticker,
    render_sticker,
)
from omniloom.data.emoji.stickers import PALE, PLAIN, SIDE, SMALL, WHITE
from omniloom.data.problems.base import HEARD_MARK, Example, Split, WeightedTasks, problems
from omniloom.data.problems.emoji.wording import CORNER, DRAW, EDITS, QUESTIONS, requested
from omniloom.data.problems.holdout import fraction
from omniloom.data.problems.questions import choose_share
from omniloom.data.problems.templates import as_typed, pick
from omniloom.data.problems.turns import after_what_was_heard, asked, spoken_reply, written_reply
from omniloom.data.speech.words import REPLY_WORDS
from omniloom.stream.message import Message
from omniloom.stream.parts import Image, NamedPlace, Part, Text

SPOKEN_NAMES: tuple[str, ...] = tuple(name for name in NAMES if set(name.split()) <= set(REPLY_WORDS))
"""Emoji that the assistant can name aloud: the listener knows no other words."""

NEW_PLACEMENTS, COMPOSED_SPOTS, COMPOSED_DRAWINGS = 0.10, 0.10, 0.10

FORM_SHARES = {PLAIN: 0.50, SMALL: 0.20, CORNER: 0.30}
EDIT_SHARES = {PLAIN: 0.50, SMALL: 0.15, CORNER: 0.35}
QUESTION_SHARES = {"name": 0.34, "where": 0.33, "size": 0.33}
"""Of questions asked aloud: evenly, for what is mostly asked is right without having listened."""
PALE_SHARE = 0.4
"""Of the emoji that users show, those on coloured paper."""
CLEARLY_PX = 4
"""How far from the middle of the sheet an emoji must be for its quarter to be asked."""
CLEARLY_SMALL_PX, CLEARLY_BIG_PX = 34, 48


@problems.register("emoji")
class EmojiProblem(WeightedTasks):
    """Emoji by name; their pictures are read, or downloaded, when the first example is made."""

    name = "emoji"

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """How often each task is drawn."""

        name_emoji_text: float = 4.0
        name_emoji_audio: float = 1.2
        draw_emoji_typed: float = 2.5
        draw_emoji_spoken: float = 5.0
        edit_emoji_typed: float = 1.5
        emoji_spoken_text: float = 2.5
        emoji_spoken_audio: float = 2.0

    cells: ClassVar[dict[str, str | None]] = {
        "name_emoji_text": "image-to-text",
        "name_emoji_audio": "image-to-audio",
        "draw_emoji_typed": "text-to-image",
        "draw_emoji_spoken": "audio-to-image",
        "edit_emoji_typed": "image-to-image",
        "emoji_spoken_text": None,
        "emoji_spoken_audio": None,
    }
    inputs: ClassVar[dict[str, tuple[str, str]]] = {
        "emoji_spoken_text": ("image", "audio"),
        "emoji_spoken_audio": ("image", "audio"),
    }

    def __init__(self, config: EmojiProblem.Config | None = None) -> None:
        super().__init__(config or self.Config())

    def _name_emoji_text(self, random: np.random.Generator, split: Split) -> Example:
        return self._ask("name_emoji_text", "name", random, split)

    def _name_emoji_audio(self, random: np.random.Generator, split: Split) -> Example:
        return self._ask("name_emoji_audio", "name", random, split)

    def _emoji_spoken_text(self, random: np.random.Generator, split: Split) -> Example:
        return self._ask("emoji_spoken_text", choose_share(random, QUESTION_SHARES), random, split)

    def _emoji_spoken_audio(self, random: np.random.Generator, split: Split) -> Example:
        return self._ask("emoji_spoken_audio", choose_share(random, QUESTION_SHARES), random, split)

    def _draw_emoji_typed(self, random: np.random.Generator, split: Split) -> Example:
        return self._draw("draw_emoji_typed", random, split)

    def _draw_emoji_spoken(self, random: np.random.Generator, split: Split) -> Example:
        return self._draw("draw_emoji_spoken", random, split)

    def _ask(self, task: str, kind: str, random: np.random.Generator, split: Split) -> Example:
        is_spoken, is_answered_aloud = "spoken" in task, task.endswith("audio")
        names = SPOKEN_NAMES if kind == "name" and is_answered_aloud else NAMES
        while True:
            sticker = sticker_of(random, split, names)
            answer = _answer(kind, sticker)
            if answer is not None:
                break
        words, facts = QUESTIONS[kind].fill(random, split, is_spoken=is_spoken)
        picture, more = shown(sticker)
        part, voice = asked(words, random, split, is_spoken=is_spoken, is_question=True)
        reply = spoken_reply(answer) if is_answered_aloud else written_reply(answer)
        if is_spoken:
            reply = after_what_was_heard(reply, words)
        return self.made(
            task,
            messages=(Message("user", _in_either_order(picture, part, random)), reply),
            answer=answer,
            facts=[f"kind:{kind}", *facts, *more, *voice],
            judged_after=HEARD_MARK if is_spoken else None,
        )

    def _draw(self, task: str, random: np.random.Generator, split: Split) -> Example:
        drawing = drawing_of(random, split)
        is_spoken = "spoken" in task
        words, facts = DRAW.fill(random, split, is_spoken=is_spoken, what=requested(drawing.name, drawing.form, random))
        part, voice = asked(words, random, split, is_spoken=is_spoken, is_question=False)
        facts = [*facts, *voice, *facts_of(drawing)]
        return self.made(task, messages=(Message("user", (part,)), drawn_reply(drawing)), answer=drawing, facts=facts)

    def _edit_emoji_typed(self, random: np.random.Generator, split: Split) -> Example:
        sticker, drawing = edit_of(random, split)
        kind = drawing.form if drawing.form in EDITS else CORNER
        words, facts = EDITS[kind].fill(random, split, is_spoken=False, position=drawing.form)
        picture, more = shown(sticker)
        part = Text(as_typed(words, random, is_question=False))
        messages = (Message("user", _in_either_order(picture, part, random)), drawn_reply(drawing))
        facts = [f"kind:{kind}", *facts, *more, *facts_of(drawing)]
        return self.made("edit_emoji_typed", messages=messages, answer=drawing, facts=facts)


def is_held_out_spot(name: str, quarter: str) -> bool:
    """Whether an emoji is never shown in that quarter of the sheet in training."""
    return fraction("emoji spot", name, quarter) < COMPOSED_SPOTS


def is_held_out_drawing(drawing: Drawing) -> bool:
    """Whether an emoji is never drawn in that form in training; plain it is always."""
    return drawing.form != PLAIN and fraction("emoji drawing", drawing.name, drawing.form) < COMPOSED_DRAWINGS


def is_new_placement(sticker: Sticker) -> bool:
    """Whether an emoji is never shown at that very place and size in training."""
    return fraction("emoji placement", *_placement(sticker)) < NEW_PLACEMENTS


def sticker_of(random: np.random.Generator, split: Split, names: tuple[str, ...]) -> Sticker:
    """An emoji as shown in a split."""
    while True:
        paper = pick(random, PALE) if random.random() < PALE_SHARE else WHITE
        sticker = random_sticker(pick(random, names), random, background=paper)
        is_composed = is_held_out_spot(sticker.name, sticker.quarter)
        if is_composed == (split == "composed") and (is_composed or is_new_placement(sticker) == (split == "new")):
            return sticker


def drawing_of(random: np.random.Generator, split: Split) -> Drawing:
    """A drawing as asked for in a split; of *composed*, an emoji in a form held out."""
    while True:
        drawing = Drawing(name=pick(random, NAMES), form=_form(random, FORM_SHARES))
        if is_held_out_drawing(drawing) == (split == "composed"):
            return drawing


def edit_of(random: np.random.Generator, split: Split) -> tuple[Sticker, Drawing]:
    """An emoji as shown, and what is to be drawn of it; of *composed*, one shown in a quarter held out."""
    while True:
        sticker = sticker_of(random, split, NAMES)
        drawing = Drawing(name=sticker.name, form=_form(random, EDIT_SHARES))
        if split == "composed" or not is_held_out_drawing(drawing):
            return sticker, drawing


def shown(sticker: Sticker) -> tuple[Image, list[str]]:
    """The picture as a user shows it, and its facts."""
    x, y, scale = (value / SIDE for value in (sticker.x, sticker.y, sticker.scale))
    place = NamedPlace(tuple(sticker.name.split()), (x, y, x + scale, y + scale))
    picture = replace(render_sticker(sticker), named=(place,))
    digest = sha256(picture.pixels.numpy().tobytes()).hexdigest()[:16]
    placement = " ".join(map(str, _placement(sticker)))
    spot = f"spot:{sticker.name} {sticker.quarter}"
    return picture, [f"rendering:{digest}", f"placement:{placement}", spot, f"emoji:{sticker.name}", "language:en"]


def facts_of(drawing: Drawing) -> list[str]:
    return [f"drawing:{drawing.name} {drawing.form}", f"emoji:{drawing.name}", "language:en"]


def drawn_reply(drawing: Drawing) -> Message:
    """What was understood, in words, and then the canonical drawing of it."""
    return Message("assistant", (Text(describe_drawing(drawing)), draw(drawing)))


def _form(random: np.random.Generator, shares: dict[str, float]) -> str:
    kind = choose_share(random, shares)
    return pick(random, CORNERS) if kind == CORNER else kind


def _placement(sticker: Sticker) -> tuple[str, int, int, int]:
    return sticker.name, sticker.scale, sticker.x, sticker.y


def _answer(kind: str, sticker: Sticker) -> str | None:
    """The answer to a kind of question, or None where the picture gives no clear one."""
    if kind == "name":
        return sticker.name
    if kind == "where":
        off_middle = [abs(2 * place + sticker.scale - SIDE) / 2 for place in (sticker.x, sticker.y)]
        return sticker.quarter if min(off_middle) >= CLEARLY_PX else None
    assert kind == "size", kind
    if sticker.scale <= CLEARLY_SMALL_PX:
        return "small"
    return "big" if sticker.scale >= CLEARLY_BIG_PX else None


def _in_either_order(picture: Image, request: Part, random: np.random.Generator) -> tuple[Part, Part]:
    return (picture, request) if random.random() < 0.5 else (request, picture)
