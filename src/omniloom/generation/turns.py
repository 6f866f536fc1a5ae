"""Turns as the model holds them: in ids of the stream, so that what it remembers can be cut, moved and counted.

A turn keeps the very ids that were heard or said. Going through samples and pixels again would change them, for no
codec gives back its own input; and ids are small, half a kilobyte for a second of speech as samples of 32 kilobytes.
What one side gave in several messages is one turn of the stream: <user> stands once.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from omniloom.codecs.base import AudioDecoding
from omniloom.codecs.bundle import CodecSet
from omniloom.codecs.pieces import as_seen, pieces_of
from omniloom.stream import vocabulary as v
from omniloom.stream.folding import fold
from omniloom.stream.layout import EncodedMessage, Piece, open_reply, piece_ids, prompt_ids
from omniloom.stream.message import Message, Role, Want
from omniloom.stream.parts import Audio, Image, Part, Text, Video
from omniloom.stream.vocabulary import Modality, Vocabulary


@dataclass(frozen=True, eq=False)
class Turn:
    """What one side said: its ids without those that open and end a turn, and its parts where somebody kept them.

    `wants` is what the assistant was asked for.
    """

    role: Role
    ids: Sequence[int]
    wants: frozenset[Want] = frozenset({"text"})
    parts: tuple[Part, ...] = ()

    def packed(self) -> Turn:
        """The same without its parts, in as little memory as ids take."""
        return replace(self, ids=array("i", self.ids), parts=())


def row_ids(turns: Iterable[Turn]) -> list[int]:
    """The row of a conversation, <bos> first; the user's last turn stays open. Turns that say nothing are left out."""
    found: list[int] = []
    is_users = False
    for turn in turns:
        if not turn.ids:
            continue
        if turn.role == "user":
            found += [*([] if is_users else [v.USER]), *turn.ids]
        else:
            found += [*open_reply(turn.wants), *turn.ids, v.END]
        is_users = turn.role == "user"
    return [v.BOS, *found] if found else []


class TurnCodec:
    """Messages to turns and back, and turns cut to what was said of them."""

    def __init__(self, codecs: CodecSet, vocabulary: Vocabulary) -> None:
        self._codecs = codecs
        self._vocabulary = vocabulary

    def encode(self, message: Message) -> Turn:
        """The message as a turn that keeps its parts, pictures as small as their codec sees them."""
        pieces = tuple(piece for part in message.parts for piece in pieces_of(part, self._codecs))
        parts = tuple(self.kept(part) for part in message.parts)
        if message.role == "user":
            return Turn("user", prompt_ids(pieces, self._vocabulary), parts=parts)
        ids: list[int] = []
        for piece in pieces:
            ids += [*([v.IMAGE] if piece.kind == "image" else []), *piece_ids(piece, self._vocabulary)]
        return Turn("assistant", ids, EncodedMessage("assistant", pieces).wants, parts)

    def kept(self, part: Part) -> Part:
        """The part as history keeps it: pictures as their codec sees them, 12 kB each and not up to 48 MB."""
        if isinstance(part, Video):
            return as_seen(part, self._codecs)
        return part.resized(self._codecs.image.side) if isinstance(part, Image) else part

    @property
    def samples_per_frame(self) -> int:
        """Of the model's sound."""
        return self._codecs.audio.samples_per_frame

    @property
    def frame_ms(self) -> float:
        return self.samples_per_frame * 1000 / self._codecs.audio.rate_hz

    def num_tokens(self, turns: Iterable[Turn]) -> int:
        """Positions that these turns take in the context."""
        return len(fold(row_ids(turns), self._vocabulary))

    def num_tokens_of_sound(self, duration_s: float) -> int:
        """The most positions that so much more of a sound takes; of what came before, part of a frame may wait."""
        frame = piece_ids(Piece("audio", [0] * self._codecs.audio.spec.elements_per_cycle), self._vocabulary)
        one, two = (self.num_tokens([Turn("user", [v.AUDIO, *frame * number])]) for number in (1, 2))
        return (two - one) * (math.floor(duration_s * 1000 / self.frame_ms) + 2)

    def num_frames(self, turn: Turn) -> int:
        """Whole frames of sound in the turn."""
        return sum(self._is_last_of_frame(token) for token in turn.ids)

    def cut_to_frames(self, turn: Turn, num_frames: int) -> Turn:
        """A spoken reply up to that many frames of its sound: words of which nothing was heard are left out.

        What is drawn comes after all that is said, so it goes as well, unless the sound stays whole.
        """
        if num_frames >= self.num_frames(turn):
            return turn
        stop = 0
        for place, token in enumerate(turn.ids, start=1):
            if num_frames and self._is_last_of_frame(token):
                num_frames -= 1
                stop = place
        return replace(turn, ids=turn.ids[:stop], parts=())

    def cut_to_text(self, turn: Turn, num_chars: int) -> Turn:
        """A written reply up to that many characters, and no more than whole ids of them."""
        stream, length, stop = self._codecs.text.stream(), 0, 0
        for place, token in enumerate(turn.ids, start=1):
            if self._vocabulary.modality_of(token) != "text":
                break
            length += len(stream.push(token - self._vocabulary.start_of("text")))
            if length > num_chars:
                break
            stop = place
        return turn if stop == len(turn.ids) else replace(turn, ids=turn.ids[:stop], parts=())

    def text(self, turn: Turn) -> str:
        """All that is written in it."""
        codes = self._vocabulary.to_codes("text", [token for token in turn.ids if self._modality(token) == "text"])
        return self._codecs.text.decode_text(codes)

    def parts(self, turn: Turn) -> tuple[Part, ...]:
        """Its parts, decoded from its ids where they were not kept: what was heard and seen, as the model knows it.

        Raises:
            ValueError: If the user's turn holds a video.
        """
        if turn.parts:
            return turn.parts
        if v.VIDEO in turn.ids:
            raise ValueError("a video cannot be made from its tokens again; keep the turn's parts")
        decoder = self._codecs.audio.decoder_stream()  # one for all of a reply's sound, as its samples hang together
        parts: list[Part] = []
        for modality, run in groupby(turn.ids, key=self._modality):
            spec = self._vocabulary.specs.get(modality) if modality else None
            if spec is None or modality is None:
                decoder = self._codecs.audio.decoder_stream()
                continue
            codes = spec.from_groups(self._vocabulary.to_codes(modality, list(run)))
            part = self._decoded(modality, codes, decoder)
            parts += [part] if part is not None else []
        return tuple(parts)

    def _decoded(self, modality: Modality, codes: list[int], decoder: AudioDecoding) -> Part | None:
        if modality == "text":
            text = self._codecs.text.decode_text(codes)
            return Text(text) if text.strip() else None
        if modality == "audio":
            return Audio(decoder.push(codes), self._codecs.audio.rate_hz)
        return self._codecs.image.decode(codes)

    def _modality(self, token: int) -> Modality | None:
        return self._vocabulary.modality_of(token)

    def _is_last_of_frame(self, token: int) -> bool:
        last = self._vocabulary.elements_of("audio")[-1]
        return last.start <= token < last.stop
