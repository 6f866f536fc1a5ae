"""From the fields that several endpoints share to what the model is asked: sampling, seeds, lengths, turns.

The model knows two roles, and its turns take turns. So messages of one side that follow each other become one, and
texts of the system are left out: no model here was taught a turn for them, and before the user's words they would be
taken for the user's. Which were left out is told in a header of the answer.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from omniloom.generation import Sampling
from omniloom.serving.http.errors import ApiError
from omniloom.serving.realtime.limits import Limits
from omniloom.stream.message import Message, Role
from omniloom.stream.parts import MAX_VIDEO_PIXELS, Image, Part, Text, Video

UNUSED_HEADER = "omniloom-unused"


@dataclass(frozen=True)
class Turn:
    """What one side said, in one or several messages."""

    role: Role
    parts: tuple[Part, ...]


class PixelBudget:
    """What one request's pictures and films may have together: a few kilobytes each, they unpack to megabytes."""

    def __init__(self, limits: Limits) -> None:
        self._most = {Image: limits.image_pixels, Video: MAX_VIDEO_PIXELS}
        self._taken = {Image: 0, Video: 0}

    def within(self, parts: Iterable[Part], *, param: str) -> Iterator[Part]:
        """The parts, decoded one by one, until there are too many pixels."""
        for part in parts:
            if isinstance(part, Image | Video):
                kind = type(part)
                pixels = part.pixels if isinstance(part, Image) else part.frames
                self._taken[kind] += pixels.numel() // 3
                if self._taken[kind] > self._most[kind]:
                    name = "pictures" if kind is Image else "films"
                    raise ApiError(
                        f"{param}: the {name} of one request have over {self._most[kind]:,} pixels together; send "
                        "fewer, or make them smaller first",
                        code="image_too_large" if kind is Image else "video_too_large",
                        param=param,
                    )
            yield part


def sampling_of(temperature: float | None, top_p: float | None) -> Sampling:
    """Greedy where nothing is said: what the model is surest of."""
    if temperature is None:
        temperature = 1.0 if top_p is not None and top_p < 1 else 0.0
    return Sampling(temperature=temperature, top_p=1.0 if top_p is None else top_p)


def seeds_of(seed: int | None, count: int) -> list[int]:
    """A seed for each of several replies: the one given and those after it, or drawn."""
    first = secrets.randbits(48) if seed is None else seed
    return [first + place for place in range(count)]


def length_of(limits: Limits, *asked: int | None) -> int:
    """The longest reply, in tokens: the least of what is asked and what the server gives."""
    return min([limits.response_tokens, *(number for number in asked if number is not None)])


def text_part(text: str, limits: Limits, *, param: str) -> Text:
    """A text that is not empty and not too long."""
    if len(text) > limits.text_chars:
        raise ApiError(
            f"{param} has {len(text):,} characters, at most {limits.text_chars:,} are taken; send less",
            code="text_too_long",
            param=param,
        )
    try:
        return Text(text)
    except ValueError as error:
        raise ApiError(f"{param}: {error}", code="invalid_text", param=param) from error


def as_conversation(turns: Sequence[Turn], *, param: str) -> list[Message]:
    """Messages that take turns and end with the user's."""
    joined: list[Turn] = []
    for turn in turns:
        if joined and joined[-1].role == turn.role:
            joined[-1] = Turn(turn.role, (*joined[-1].parts, *turn.parts))
        elif turn.parts:
            joined.append(turn)
    if not joined or joined[-1].role != "user":
        raise ApiError(
            f"{param} must end with what the user says; nothing is there to answer",
            code="nothing_to_answer",
            param=param,
        )
    if joined[0].role != "user":
        raise ApiError(f"{param} must begin with what the user says", code="invalid_value", param=param)
    return [Message(turn.role, turn.parts) for turn in joined]
