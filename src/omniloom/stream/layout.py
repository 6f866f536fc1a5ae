"""How messages become one row of tokens, and which of them are learned.

    <bos> <user> parts… <want_…> <assistant> reply… <end> <user> …

A sound begins with <audio> and a picture with <image> in what the user gives; in a reply each text is followed at once
by the sound that says it, and only a picture has its mark. A video is <video> and then its frames in order of time,
each <frame> and its elements, with the sound until the next frame between them. The ranges of the vocabulary tell where
each piece ends, so no closing marks are spent. One function lays out training rows and prompts alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Literal, NamedTuple

from omniloom.stream import vocabulary as v
from omniloom.stream.message import Role, Want
from omniloom.stream.vocabulary import Modality, Vocabulary


class LossClass(IntEnum):
    """What a token counts as when it is the one to be predicted."""

    NONE = 0
    REPLY_TEXT = 1
    REPLY_AUDIO = 2
    REPLY_IMAGE = 3
    PROMPT_TEXT = 4
    PROMPT_AUDIO = 5
    PROMPT_IMAGE = 6
    TURN_END = 7
    """No target's class: the question asked at a frame of the user's sound (`Turn`)."""
    HEARD_WORD = 8
    """No target's class either: the word that is heard in a frame of the user's sound (`Piece.words`)."""
    SEEN_WORD = 9
    """As before: a word for what stands in a block of a picture that the user shows."""


class Turn(IntEnum):
    """What a frame of a user's sound says about the end of the turn, where that is known."""

    UNKNOWN = 0
    GOES_ON = 1
    ENDED = 2


Kind = Literal["text", "audio", "image", "video", "frame", "track"]
"""Kinds of pieces. A video is a "video" without codes, then a "frame" for each picture and a "track" of sound after it
where it has any."""


NO_WORD = -1
"""In place of a word's text code: none is said, or it is not known which."""


class Piece(NamedTuple):
    """A part, or a piece of a video, as codes.

    Of a user's sound, `turns` says of each frame if the turn had ended, and `words` is the first text code of the word
    that is heard in it. Of a user's picture or frame, `words` has as many as `codes`: at one code of a block, that of
    a word for what stands there.
    """

    kind: Kind
    codes: Sequence[int]
    turns: Sequence[Turn] = ()
    words: Sequence[int] = ()


MODALITY_OF: dict[Kind, Modality] = {
    "text": "text", "audio": "audio", "image": "image", "video": "image", "frame": "image", "track": "audio",
}  # fmt: skip
"""The codec behind each kind of piece."""


@dataclass(frozen=True)
class EncodedMessage:
    """A message whose parts went through their codecs, as pieces in order."""

    role: Role
    parts: tuple[Piece, ...]
    is_cut: bool = False

    @property
    def wants(self) -> frozenset[Want]:
        kinds: tuple[Want, ...] = ("audio", "image")
        media = frozenset(kind for kind in kinds if any(piece.kind == kind for piece in self.parts))
        return media or frozenset({"text"})


@dataclass
class Row:
    """Token ids and, for each, its loss class as a target, what it says of the end of a turn, and the word there.

    A word that is heard or seen is an id of the vocabulary, <pad> where there is none.
    """

    ids: list[int] = field(default_factory=list)
    classes: list[int] = field(default_factory=list)
    turns: list[int] = field(default_factory=list)
    words: list[int] = field(default_factory=list)

    def add(
        self, ids: Iterable[int], loss_class: LossClass, turns: Sequence[Turn] = (), words: Sequence[int] = ()
    ) -> None:
        """More tokens of one class; `turns` and `words` are those of as many frames, which their last tokens carry."""
        ids = list(ids)
        self.ids += ids
        self.classes += [int(loss_class)] * len(ids)
        self.turns += _on_last_tokens(turns, len(ids), Turn.UNKNOWN)
        self.words += _on_last_tokens(words, len(ids), v.PAD)


def _on_last_tokens(frames: Sequence[int], num_tokens: int, otherwise: int) -> list[int]:
    """What is known of frames, at the last token of each."""
    per_frame = num_tokens // len(frames) if frames else 1
    spread = [int(value) for frame in frames for value in (*[otherwise] * (per_frame - 1), frame)]
    return spread or [int(otherwise)] * num_tokens


REPLY_CLASS: dict[Modality, LossClass] = {
    "text": LossClass.REPLY_TEXT, "audio": LossClass.REPLY_AUDIO, "image": LossClass.REPLY_IMAGE,
}  # fmt: skip
PROMPT_CLASS: dict[Modality, LossClass] = {
    "text": LossClass.PROMPT_TEXT, "audio": LossClass.PROMPT_AUDIO, "image": LossClass.PROMPT_IMAGE,
}  # fmt: skip
PIECE_MARK: dict[Kind, int] = {"audio": v.AUDIO, "image": v.IMAGE, "video": v.VIDEO, "frame": v.FRAME}
WANT_TOKENS: dict[Want, int] = {"text": v.WANT_TEXT, "audio": v.WANT_AUDIO, "image": v.WANT_IMAGE}


def want_ids(wants: frozenset[Want]) -> list[int]:
    """The tokens that say which kinds of reply are wanted, always in the same order."""
    return [token for want, token in WANT_TOKENS.items() if want in wants]


def prompt_ids(pieces: Iterable[Piece], vocabulary: Vocabulary) -> list[int]:
    """Pieces as the user gives them, each with its mark where it has one."""
    found: list[int] = []
    for piece in pieces:
        found += [*_mark_of(piece, vocabulary), *piece_ids(piece, vocabulary)]
    return found


def piece_ids(piece: Piece, vocabulary: Vocabulary) -> list[int]:
    """A piece's codes as ids in the order of the stream (`CodecSpec.in_groups`), without its mark."""
    modality = MODALITY_OF[piece.kind]
    codes = vocabulary.specs[modality].in_groups(piece.codes, is_frame=piece.kind == "frame")
    return vocabulary.to_ids(modality, codes)


def lay_out(messages: Sequence[EncodedMessage], vocabulary: Vocabulary) -> Row:
    """One row of tokens for a conversation, with the loss class of each."""
    row = Row()
    row.add([v.BOS], LossClass.NONE)
    for message in messages:
        if message.role == "user":
            row.add([v.USER], LossClass.NONE)
            for piece in message.parts:
                modality = MODALITY_OF[piece.kind]
                row.add(_mark_of(piece, vocabulary), LossClass.NONE)
                words = [v.PAD if code == NO_WORD else vocabulary.to_ids("text", [code])[0] for code in piece.words]
                if modality == "image" and words:
                    words = vocabulary.specs["image"].in_groups(words, is_frame=piece.kind == "frame")
                row.add(piece_ids(piece, vocabulary), PROMPT_CLASS[modality], piece.turns, words)
        else:
            row.add([*want_ids(message.wants), v.ASSISTANT], LossClass.NONE)
            for piece in message.parts:
                modality = MODALITY_OF[piece.kind]
                if piece.kind == "image":
                    row.add([v.IMAGE], LossClass.REPLY_TEXT)
                row.add(piece_ids(piece, vocabulary), REPLY_CLASS[modality])
            # Where a reply was cut off is the user's doing, and no place for the model to learn to stop.
            row.add([v.END], LossClass.NONE if message.is_cut else LossClass.REPLY_TEXT)
    return row


def _mark_of(piece: Piece, vocabulary: Vocabulary) -> list[int]:
    if piece.kind in ("video", "frame") and not vocabulary.has_video:
        raise ValueError("this model knows no video; give it a picture, or use a model that was trained with videos")
    return [PIECE_MARK[piece.kind]] if piece.kind in PIECE_MARK else []


def open_reply(wants: frozenset[Want]) -> list[int]:
    """The tokens after which the reply begins."""
    return [*want_ids(wants), v.ASSISTANT]
