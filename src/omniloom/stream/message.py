"""Messages: who says what, in parts of any kind and order.

A spoken reply is a list of alternating Text and Audio parts, each text just ahead of the sound that says it: that
order is the order of the stream, so sound can start after a few tokens. A reply with a picture says in text what it
understood and then draws it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from omniloom.stream.parts import Audio, Image, Part, Text, Video

Role = Literal["user", "assistant"]
Want = Literal["text", "audio", "image"]

WANTS: tuple[Want, ...] = ("text", "audio", "image")


@dataclass(frozen=True, eq=False)
class Message:
    """One turn: a role and its parts, in order; `is_cut` says that a reply was interrupted and ends anywhere."""

    role: Role
    parts: tuple[Part, ...]
    is_cut: bool = False

    def __post_init__(self) -> None:
        if self.role not in ("user", "assistant"):
            raise ValueError(f"role must be 'user' or 'assistant', got {self.role!r}")
        if not self.parts:
            raise ValueError("a message needs at least one part")
        if self.role == "assistant" and any(isinstance(part, Video) for part in self.parts):
            raise ValueError("the assistant cannot reply with a video; use its frames, as Image parts, or its sound")


def as_parts(parts: str | Part | Sequence[str | Part]) -> tuple[Part, ...]:
    """Parts from what a caller has at hand: a string stands for `Text`, one part for a list of one."""
    items = [parts] if isinstance(parts, str | Text | Audio | Image | Video) else list(parts)
    found: list[Part] = []
    for item in items:
        if isinstance(item, str):
            found.append(Text(item))
        elif isinstance(item, Text | Audio | Image | Video):
            found.append(item)
        else:
            raise ValueError(f"a part must be a string, Text, Audio, Image or Video, got {type(item).__name__}")
    if not found:
        raise ValueError("a message needs at least one part")
    return tuple(found)


def wanted(want: str | Iterable[str]) -> frozenset[Want]:
    """The modalities asked for, in normal form: text comes with audio and image anyway, so it is named only alone."""
    names = {want} if isinstance(want, str) else set(want)
    unknown = names - set(WANTS)
    if unknown or not names:
        raise ValueError(f"want must be of {', '.join(WANTS)}, got {sorted(unknown) or 'nothing'}")
    media: frozenset[Want] = frozenset(name for name in WANTS if name in names and name != "text")
    return media or frozenset({"text"})


def wanted_of(message: Message) -> frozenset[Want]:
    """The modalities that a reply holds, in the normal form of `wanted`."""
    kinds = {Audio: "audio", Image: "image", Text: "text"}
    return wanted(kinds[type(part)] for part in message.parts)
