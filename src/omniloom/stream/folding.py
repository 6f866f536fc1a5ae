"""The stream as the model sees it: sound and pictures take one position for several elements.

The stream is a flat list of ids. Sound has as many of them a frame as the codec has codebooks, and a picture one for
every colour and silhouette. In the user's turn none is ever predicted, so the model need not meet them one by one: a
whole frame of sound, or a block of a picture with all that is in it, becomes one position, whose vector the embedding
adds up (`models.embedding`). In replies the same is done for codecs that allow it (`CodecSpec.folds_replies`): a
position's ids are then predicted together from the position before. What goes together is the codec's own `groups`,
whose elements stand side by side in the stream; a codec without them is not folded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from omniloom.stream import vocabulary as v
from omniloom.stream.vocabulary import MAX_SLOT, Modality, Vocabulary


class Position(NamedTuple):
    """What stands at one position: its ids, the first of which is the one it goes by, and its slot.

    The slot is the position's place in its run of sound or picture: 0 outside a run, then 1, 2, … up to `MAX_SLOT`. The
    model embeds it, so that it need not count. Past the end, the last whole frame's slots repeat, for codecs that ask
    for it (`CodecSpec.slot_cycle`).
    """

    ids: tuple[int, ...]
    slot: int


class Folder:
    """A stream's positions as its ids come in, from <bos> on; elements of an unfinished group wait for the rest."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._is_prompt = False
        self._mark = v.AUDIO
        self._run: Modality | None = None
        self._slot = 0
        self._num_groups = 0  # of the pass over the planes that is not whole yet
        self._waiting: list[int] = []

    def copy(self) -> Folder:
        """A folder that goes on from here by itself."""
        other = Folder(self._vocabulary)
        other.__dict__ |= {**self.__dict__, "_waiting": [*self._waiting]}
        return other

    @property
    def num_waiting(self) -> int:
        """Elements of a group that is not whole yet."""
        return len(self._waiting)

    def push(self, ids: Sequence[int]) -> list[Position]:
        """The positions that these ids complete.

        Raises:
            ValueError: If a group of elements, or a picture, is broken off by something else.
        """
        found: list[Position] = []
        for token in ids:
            run = self._vocabulary.run_of(token)
            if (self._waiting or self._num_groups) and run != self._run:
                raise ValueError(
                    f"id {token} follows {self._num_groups} groups and {len(self._waiting)} elements of {self._run} "
                    "that are no whole frame or picture; give whole ones"
                )
            groups = self._groups_of(run)
            if groups:
                found += self._fold(token, run, groups)
            else:
                found.append(Position((token,), self._next_slot(token, run)))
            if run is None:
                self._note(token)
        return found

    def push_position(self, ids: Sequence[int]) -> list[Position]:
        """As `push`, of ids that make one position of a reply, whole or cut, as its grammar gives them."""
        groups = self._groups_of(self._run) if len(ids) > 1 and not self._waiting else ()
        if not groups or len(ids) != len(groups[self._num_groups]) or self._vocabulary.run_of(ids[0]) != self._run:
            return self.push(ids)
        return [self._group(tuple(ids), groups)]

    def _note(self, token: int) -> None:
        """What a control says about the ids after it."""
        if token == v.USER:
            self._is_prompt = True
        elif token in (v.WANT_TEXT, v.WANT_AUDIO, v.WANT_IMAGE, v.ASSISTANT):
            self._is_prompt = False
        elif token in (v.IMAGE, v.FRAME):
            self._mark = token

    def _groups_of(self, run: Modality | None) -> tuple[tuple[int, ...], ...]:
        if run is None:
            return ()
        spec = self._vocabulary.specs[run]
        if not self._is_prompt and not spec.folds_replies:
            return ()
        return spec.frame_groups if run == "image" and self._mark == v.FRAME else spec.groups

    def _fold(self, token: int, run: Modality | None, groups: tuple[tuple[int, ...], ...]) -> list[Position]:
        self._enter(run)
        self._waiting.append(token)
        if len(self._waiting) < len(groups[self._num_groups]):
            return []
        position = self._group(tuple(self._waiting), groups)
        self._waiting.clear()
        return [position]

    def _group(self, ids: tuple[int, ...], groups: tuple[tuple[int, ...], ...]) -> Position:
        self._num_groups = (self._num_groups + 1) % len(groups)
        self._slot = min(self._slot + 1, MAX_SLOT)
        return Position(ids, self._slot)

    def _enter(self, run: Modality | None) -> None:
        if run != self._run:
            self._slot, self._run = 0, run

    def _next_slot(self, token: int, run: Modality | None) -> int:
        cycle = self._vocabulary.slot_cycle_of(token)
        self._enter(run)
        if not cycle:
            return 0
        last = MAX_SLOT // cycle * cycle
        self._slot = self._slot + 1 if self._slot < last else last - cycle + 1
        return self._slot


def fold(ids: Sequence[int], vocabulary: Vocabulary) -> list[Position]:
    """The positions of a whole stream, which begins with <bos>."""
    return Folder(vocabulary).push(ids)
