"""How messages become one row of tokens, and which of them are learned.

    <bos> <user> parts… <want_…> <assistant> reply… <end> <user> …

A sound begins with <audio> and a picture with <image> in what the user gives; in a reply each text is followed at once
by the sound that says it, and only a picture has its mark. The ranges of the vocabulary tell where each piece ends, so
no closing marks are spent. One function lays out training rows and prompts alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from omniloom.stream import vocabulary as v
from omniloom.stream.message import Role, Want
from omniloom.stream.vocabulary import MAX_SLOT, Modality, Vocabulary


class LossClass(IntEnum):
    """What a token counts as when it is the one to be predicted."""

    NONE = 0
    REPLY_TEXT = 1
    REPLY_AUDIO = 2
    REPLY_IMAGE = 3
    PROMPT_TEXT = 4
    PROMPT_AUDIO = 5
    PROMPT_IMAGE = 6


@dataclass(frozen=True)
class EncodedMessage:
    """A message whose parts went through their codecs: (modality, codes) in order."""

    role: Role
    parts: tuple[tuple[Modality, Sequence[int]], ...]

    @property
    def wants(self) -> frozenset[Want]:
        media: frozenset[Want] = frozenset(m for m, _ in self.parts if m != "text")
        return media or frozenset({"text"})


@dataclass
class Row:
    """Token ids and, for each, the loss class it has as a target."""

    ids: list[int] = field(default_factory=list)
    classes: list[int] = field(default_factory=list)

    def add(self, ids: Iterable[int], loss_class: LossClass) -> None:
        ids = list(ids)
        self.ids += ids
        self.classes += [int(loss_class)] * len(ids)


REPLY_CLASS = {"text": LossClass.REPLY_TEXT, "audio": LossClass.REPLY_AUDIO, "image": LossClass.REPLY_IMAGE}
PROMPT_CLASS = {"text": LossClass.PROMPT_TEXT, "audio": LossClass.PROMPT_AUDIO, "image": LossClass.PROMPT_IMAGE}
PART_MARK = {"audio": v.AUDIO, "image": v.IMAGE}
WANT_TOKENS: dict[Want, int] = {"text": v.WANT_TEXT, "audio": v.WANT_AUDIO, "image": v.WANT_IMAGE}


def want_ids(wants: frozenset[Want]) -> list[int]:
    """The tokens that say which kinds of reply are wanted, always in the same order."""
    return [token for want, token in WANT_TOKENS.items() if want in wants]


def prompt_part_ids(modality: Modality, codes: Sequence[int], vocabulary: Vocabulary) -> list[int]:
    """A part as the user gives it: its mark, where it has one, and its elements."""
    mark = [PART_MARK[modality]] if modality in PART_MARK else []
    return mark + vocabulary.to_ids(modality, codes)


def lay_out(messages: Sequence[EncodedMessage], vocabulary: Vocabulary) -> Row:
    """One row of tokens for a conversation, with the loss class of each."""
    row = Row()
    row.add([v.BOS], LossClass.NONE)
    for message in messages:
        if message.role == "user":
            row.add([v.USER], LossClass.NONE)
            for modality, codes in message.parts:
                ids = prompt_part_ids(modality, codes, vocabulary)
                marks = len(ids) - len(codes)
                row.add(ids[:marks], LossClass.NONE)
                row.add(ids[marks:], PROMPT_CLASS[modality])
        else:
            row.add([*want_ids(message.wants), v.ASSISTANT], LossClass.NONE)
            for modality, codes in message.parts:
                if modality == "image":
                    row.add([v.IMAGE], LossClass.REPLY_TEXT)
                row.add(vocabulary.to_ids(modality, codes), REPLY_CLASS[modality])
            row.add([v.END], LossClass.REPLY_TEXT)
    return row


def open_reply(wants: frozenset[Want]) -> list[int]:
    """The tokens after which the reply begins."""
    return [*want_ids(wants), v.ASSISTANT]


def slots_of(ids: Sequence[int], vocabulary: Vocabulary, *, previous: int = 0) -> list[int]:
    """Each token's place in its run of audio or image elements: 0 outside a run, then 1, 2, … up to `MAX_SLOT`.

    The model embeds it, so that it need not count: which patch of a picture, which frame of a word comes next. Past the
    end, the last whole frame's slots repeat, for codecs that ask for it (`CodecSpec.slot_cycle`). `previous` is the
    slot of the token before the first, so that a row can be given piece by piece.
    """
    slots = []
    for token in ids:
        previous = next_slot(previous, token, vocabulary)
        slots.append(previous)
    return slots


def next_slot(previous: int, token: int, vocabulary: Vocabulary) -> int:
    """A token's slot, from that of the token before it."""
    cycle = vocabulary.slot_cycle_of(token)
    if not cycle:
        return 0
    last = MAX_SLOT // cycle * cycle
    return previous + 1 if previous < last else last - cycle + 1
