"""Which tokens may follow in a reply, so that whatever is sampled decodes.

A reply is a short regular language over the ranges of the vocabulary:

    text          text+ <end>
    audio         (text+ frame+)+ <end>                 a frame is one element of each codebook
    image         text* <image> picture <end>           a picture is every element of every plane
    audio, image  (text+ frame+)+ <image> picture <end>

Elements of a frame or a picture come in the stream's order (`Vocabulary.elements_of`). Where replies are folded, those
of a group share a position: the model scores them all after the position before, each among what may stand at its
place, so a state also knows where the scores of its ids stand.

It is written out as an explicit automaton: a state is a row number, and each row lists arcs (first id, last id + 1,
next row). Counting the tokens of a picture or of a run is done by spending a row for each, which costs a few hundred
tuples and keeps `advance` a range test. Rejected: one mask for every state (a picture alone would hold 80 equal masks):
states with equal arcs share one mask. Rejected: a general regular-expression compiler, for four expressions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from omniloom.stream import vocabulary as v
from omniloom.stream.folding import Folder
from omniloom.stream.message import wanted
from omniloom.stream.vocabulary import Modality, Vocabulary


class Arc(NamedTuple):
    """Ids `start` to `stop - 1` lead to state `target`."""

    start: int
    stop: int
    target: int


class NextIds(NamedTuple):
    """The ids that may come next, and where the model's scores of them stand; one object for all states with the same.

    From `first` to `stop` - 1 without the `gaps`; scores stand `shift` further than the ids' numbers. `modality` is
    the kind that is picked from, "text" where the model also decides between kinds or writes a control; `sound` are
    the ids of sound where others may come as well.
    """

    first: int
    stop: int
    shift: int
    gaps: tuple[tuple[int, int], ...]
    modality: Modality
    sound: tuple[int, int] | None


@dataclass(frozen=True, kw_only=True)
class ReplyLimits:
    """How long one run of a reply may grow, so that a reply can always end.

    `text_tokens` bounds written text that stands together; `frames` bounds the sound that follows one such text
    (250 frames are 10 s at 25 frames a second: a word takes about 8).
    """

    text_tokens: int = 512
    frames: int = 250

    def __post_init__(self) -> None:
        if self.text_tokens < 1 or self.frames < 1:
            raise ValueError(f"text_tokens and frames must be at least 1, got {self.text_tokens} and {self.frames}")


class ReplyGrammar:
    """The automaton of replies that hold the wanted modalities; immutable, so one serves every row and thread."""

    def __init__(
        self, vocabulary: Vocabulary, wants: str | Iterable[str], *, limits: ReplyLimits | None = None
    ) -> None:
        """Raises ValueError if a modality is wanted that the model does not know."""
        self.vocabulary = vocabulary
        self.wants = wanted(wants)
        if unknown := sorted(want for want in self.wants if not vocabulary.knows(want)):
            raise ValueError(f"this model gives no {' and no '.join(unknown)}; want text")
        self.limits = limits or ReplyLimits()
        self._arcs: list[tuple[Arc, ...]] = []
        self._shifts: list[int] = []
        self._done = self._add()
        self._set(self._done, Arc(v.PAD, v.PAD + 1, self._done))
        end = Arc(v.END, v.END + 1, self._done)
        ending = self._picture(end) if "image" in self.wants else end
        if "audio" in self.wants:
            self._start = self._spoken(ending)
        else:
            self._start = self._written(ending, is_required=self.wants == {"text"})
        self._masks = self._build_masks()
        self._score_ranges = [self._scores_of(state) for state in range(self.num_states)]
        shared: dict[NextIds, NextIds] = {}
        found = [self._next_of(state) for state in range(self.num_states)]
        self._next_ids = [shared.setdefault(ids, ids) for ids in found]

    @property
    def num_states(self) -> int:
        return len(self._arcs)

    @property
    def arcs(self) -> Sequence[Sequence[Arc]]:
        """Of each state."""
        return self._arcs

    @property
    def done(self) -> int:
        """The state after <end>."""
        return self._done

    @property
    def shifts(self) -> Sequence[int]:
        """Of each state, how much further than their numbers its ids have their scores."""
        return self._shifts

    def slots(self) -> list[list[int]]:
        """Of each state the slots of the positions that its arcs end, 0 for arcs that end none.

        A state is reached after as many positions of the run that it is in, whatever came before that.
        """
        found: dict[int, list[int]] = {}
        folder = Folder(self.vocabulary)
        folder.push([v.BOS, v.ASSISTANT])
        waiting = [(self._start, folder)]
        while waiting:
            state, folder = waiting.pop()
            if state in found:
                continue
            found[state] = []
            for arc in self._arcs[state]:
                after = folder.copy()
                positions = after.push([arc.start])
                found[state].append(positions[-1].slot if positions else 0)
                waiting.append((arc.target, after))
        return [found.get(state, [0] * len(arcs)) for state, arcs in enumerate(self._arcs)]

    def start(self) -> int:
        """The state in which a reply begins, just after <assistant>."""
        return self._start

    def allowed(self, state: int) -> Bool[Tensor, " V"]:
        """True for each id that may come next; shared between states, so never write into it.

        A finished reply allows padding and nothing else, so that it can wait in a batch for the others.
        """
        return self._masks[state]

    def allowed_ranges(self, state: int) -> list[tuple[int, int]]:
        """The ids that may come next, as (first, last + 1)."""
        return [(arc.start, arc.stop) for arc in self._arcs[state]]

    def is_inside(self, state: int) -> bool:
        """True where the next id shares the position of the last one, so that the model has scored it already."""
        return self._shifts[state] > 0

    def score_ranges(self, state: int) -> list[tuple[int, int]]:
        """Where the scores of a next position's ids stand among all that the model gives, as (first, last + 1)."""
        return self._score_ranges[state]

    def next_ids(self, state: int) -> NextIds:
        """The ids that may come next as one who picks among scores needs them."""
        return self._next_ids[state]

    def scores(self, state: int, scores: Float[Tensor, " scores"]) -> Float[Tensor, " ids"]:
        """Of the scores after a position those of `next_ids`, from the first of them to the last."""
        first, stop, shift, *_ = self._next_ids[state]
        return scores[first + shift : stop + shift]

    def advance(self, state: int, token: int) -> int:
        """The state after one more token.

        Raises:
            ValueError: If the token may not follow.
        """
        for arc in self._arcs[state]:
            if arc.start <= token < arc.stop:
                return arc.target
        raise ValueError(
            f"token {token} may not follow here; allowed ids are "
            f"{', '.join(f'{first}..{stop - 1}' for first, stop in self.allowed_ranges(state))}"
        )

    def is_done(self, state: int) -> bool:
        """True after <end>."""
        return state == self._done

    def accepts(self, ids: Iterable[int]) -> bool:
        """True if the ids, <end> included, are one whole reply."""
        state = self._start
        for token in ids:
            if self.is_done(state) or not bool(self._masks[state][token]):
                return False
            state = self.advance(state, token)
        return self.is_done(state)

    def _add(self, *arcs: Arc, shift: int = 0) -> int:
        self._arcs.append(arcs)
        self._shifts.append(shift)
        return len(self._arcs) - 1

    def _set(self, state: int, *arcs: Arc) -> None:
        self._arcs[state] = arcs

    def _elements(self, modality: Modality, target: int) -> Arc:
        """The arc into one pass over the planes, `count` elements of each, after which `target` is reached."""
        *inner, last = self.vocabulary.elements_of(modality)
        shifts = self._shifts_of(modality)
        arc = Arc(last.start, last.stop, target)
        for item, shift in zip(reversed(inner), reversed(shifts[1:]), strict=True):
            arc = Arc(item.start, item.stop, self._add(arc, shift=shift))
        return arc

    def _shifts_of(self, modality: Modality) -> list[int]:
        """How much further than its number each element of a pass has its score."""
        spec = self.vocabulary.specs[modality]
        if not spec.folds_replies:
            return [0] * spec.elements_per_cycle
        return [self.vocabulary.score_shift(modality, place) for group in spec.groups for place in range(len(group))]

    def _picture(self, end: Arc) -> Arc:
        """The arc <image> into all elements of a picture, which end the reply."""
        first = self._elements("image", self._add(end))
        return Arc(v.IMAGE, v.IMAGE + 1, self._add(first))

    def _text(self, after: Arc) -> Arc:
        """The arc into one or more text tokens, after any of which `after` may come (and must, at the limit)."""
        (plane,) = self.vocabulary.planes_of("text")
        arc = Arc(plane.start, plane.stop, self._add(after))
        for _ in range(self.limits.text_tokens - 1):
            arc = Arc(plane.start, plane.stop, self._add(arc, after))
        return arc

    def _written(self, ending: Arc, *, is_required: bool) -> int:
        first = self._text(ending)
        return self._add(first) if is_required else self._add(first, ending)

    def _spoken(self, ending: Arc) -> int:
        """Units of text and then sound; the limit of frames is counted anew in each."""
        start = self._add()
        heads = [self._add() for _ in range(self.limits.frames)]  # heads[i]: i + 1 whole frames of a unit are there
        frames = [self._elements("audio", head) for head in heads]
        text = self._text(frames[0])
        for following, head in zip([*frames[1:], None], heads, strict=True):
            self._set(head, *([following] if following else []), text, ending)
        self._set(start, text)
        return start

    def _scores_of(self, state: int) -> list[tuple[int, int]]:
        """The scores of the arcs out of a state, and of those after them that share the position."""
        found = []
        for arc in self._arcs[state]:
            shift = self._shifts[state]
            found.append((arc.start + shift, arc.stop + shift))
            while self.is_inside(arc.target):
                shift, (arc,) = self._shifts[arc.target], self._arcs[arc.target]
                found.append((arc.start + shift, arc.stop + shift))
        return found

    def _next_of(self, state: int) -> NextIds:
        ranges = sorted(self.allowed_ranges(state))
        sound = [pair for pair in ranges if self.vocabulary.run_of(pair[0]) == "audio"]
        is_sound = len(sound) == len(ranges)
        is_picture = self.vocabulary.run_of(ranges[0][0]) == "image"
        return NextIds(
            first=ranges[0][0],
            stop=ranges[-1][1],
            shift=self._shifts[state],
            gaps=tuple((before[1], after[0]) for before, after in pairwise(ranges) if before[1] < after[0]),
            modality="image" if is_picture else "audio" if is_sound else "text",
            sound=(sound[0][0], sound[-1][1]) if sound and not is_sound else None,
        )

    def _build_masks(self) -> list[Bool[Tensor, " V"]]:
        shared: dict[tuple[tuple[int, int], ...], Tensor] = {}
        masks = []
        for state in range(len(self._arcs)):
            key = tuple(self.allowed_ranges(state))
            if key not in shared:
                mask = torch.zeros(self.vocabulary.size, dtype=torch.bool)
                for first, stop in key:
                    mask[first:stop] = True
                shared[key] = mask
            masks.append(shared[key])
        return masks
