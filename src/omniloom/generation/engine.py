"""The steps of all conversations on one model, taken together.

A conversation wants ids to be fed, or a reply's tokens; whatever all of them want goes into one call of the decode
step: one position of each reply, and slices of what waits of prompts. A row's scores are the same to the last bit
whatever stands beside it, so a reply equals the one it would be alone.

There is no thread of its own: whoever waits for something takes the steps, for everybody, until it has it; others wait
meanwhile and then take over. One conversation alone therefore costs nothing more, and many share the model without
anyone in the middle. What a reader has not asked for yet is decoded ahead of it, up to `MAX_AHEAD` tokens.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from omniloom.generation.batch import Row, merged, take_position
from omniloom.generation.decoder import PreparedModel, RowDecoder
from omniloom.generation.guide import guide_prompt
from omniloom.generation.reply import Usage
from omniloom.kernels import CacheRow, IdRange, Scratch
from omniloom.stream import vocabulary as v
from omniloom.stream.folding import Position

STEP_POSITIONS = 128
"""Most positions of a step: enough for full speed, few enough that nobody waits long for the next one."""

MAX_AHEAD = 64
"""Tokens that a reply is decoded ahead of its reader."""


@dataclass(eq=False, kw_only=True)
class Feeding:
    """Positions of a row to be fed; after each the scores of a few ids, if any are asked for."""

    row: RowDecoder
    ids: Sequence[int] = ()
    found: list[Tensor] = field(default_factory=list)
    is_done: bool = False
    error: BaseException | None = None

    @property
    def has_ended(self) -> bool:
        return self.error is not None or not self.row.waiting

    @property
    def ranges(self) -> list[IdRange]:
        return [(token, token + 1) for token in self.ids]

    def num_scored(self, count: int) -> int:
        """After how many of the next `count` positions scores are wanted."""
        return count if self.ids else 0

    def scores(self) -> Float[Tensor, "T ids"]:
        return torch.cat([torch.zeros(0, len(self.ids)), *self.found])


@dataclass(eq=False, kw_only=True)
class Generation:
    """A reply in the making: its row, which its tokens are added to as they are picked, and the tokens not yet read."""

    row: RowDecoder
    reply: Row
    guide: RowDecoder | None = None
    unread: deque[int] = field(default_factory=deque)
    is_stopped: bool = False
    is_done: bool = False
    error: BaseException | None = None

    @property
    def has_ended(self) -> bool:
        return self.is_stopped or self.error is not None or self.reply.is_finished

    def append(self, ids: Sequence[int]) -> None:
        """One more position has been picked. A guide follows from where the picture begins."""
        self.row.append(ids)
        self.unread += ids
        if not self.reply.guidance:
            return
        if v.IMAGE in ids:
            self.guide = RowDecoder(self.row.prepared)
            self.guide.append(guide_prompt(self.reply.wants))
        elif self.guide is not None:
            self.guide.append(ids)

    @property
    def ranges(self) -> list[IdRange]:
        return self.reply.grammar.score_ranges(self.reply.state)

    def num_scored(self, count: int) -> int:
        """After the last of what waits the next token's scores are wanted."""
        return int(count == len(self.row.waiting))


Work = Feeding | Generation


class StepError(RuntimeError):
    """A step of the model failed, and with it what was in it; other rows go on."""


class Engine:
    """What all rows of one prepared model want, step by step; safe to use from several threads."""

    def __init__(self, prepared: PreparedModel) -> None:
        self.prepared = prepared
        self._scratch = prepared.decode_step.scratch()
        self._changed = threading.Condition()
        self._work: list[Work] = []
        self._is_stepping = False
        self.num_steps = 0
        self.on_usage: Callable[[Usage], None] = lambda usage: None
        """Told what each reply took once it has ended, in the thread that reads it."""

    def feed(self, row: RowDecoder, *, ids: Sequence[int] = ()) -> Float[Tensor, "T ids"]:
        """Feed what waits in a row; the scores of these ids after each position."""
        feeding = Feeding(row=row, ids=ids)
        self._begin(feeding)
        self._run_until(lambda: feeding.is_done)
        if feeding.error is not None:
            raise feeding.error
        return feeding.scores()

    def generate(self, generation: Generation) -> Iterator[int]:
        """The reply's tokens as they are picked. Left early, the reply ends within the step that is being taken."""
        self._begin(generation)
        try:
            while True:
                self._run_until(lambda: bool(generation.unread) or generation.is_done)
                while generation.unread:
                    yield generation.unread.popleft()
                if generation.error is not None:
                    raise generation.error
                if generation.is_done:
                    return
        finally:
            self.stop(generation)

    def stop(self, work: Work) -> None:
        """Leave off; when this returns, no step touches the row any more. Safe from any thread."""
        with self._changed:
            if isinstance(work, Generation):
                work.is_stopped = work.is_done = True
            if work in self._work:
                self._work.remove(work)
            self._changed.wait_for(lambda: not self._is_stepping)

    def _begin(self, work: Work) -> None:
        with self._changed:
            work.is_done = work.has_ended
            if not work.is_done:
                self._work.append(work)

    def _run_until(self, is_reached: Callable[[], bool]) -> None:
        """Take steps, or wait while another does, until that holds."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: is_reached() or not self._is_stepping)
                if is_reached():
                    return
                self._is_stepping = True
                work = [item for item in self._work if _is_ready(item)]
            try:
                self._step(work)
            except Exception as error:
                _fail(work, error)
            except BaseException as error:  # An interrupt is this thread's own; who else was in the step must know too.
                _fail(work, error)
                raise
            finally:
                with self._changed:
                    self._is_stepping = False
                    for item in self._work:  # Only here: within a step a row may have its last token and not show it.
                        item.is_done = item.has_ended
                    self._work = [item for item in self._work if not item.is_done]
                    self._changed.notify_all()

    @torch.inference_mode()
    def _step(self, work: Sequence[Work]) -> None:
        """One call of the decode step: a position of each reply, and a fair share of each prompt."""
        shares = _shares([len(item.row.waiting) for item in work])
        step = _Step()
        for item, share in zip(work, shares, strict=True):
            step.add(item, share)
        logits = step.run(self.prepared, self._scratch)
        self.num_steps += 1
        step.settle(logits)


class _Step:
    """Positions of one call. Those after which scores are wanted come last, as the decode step asks."""

    def __init__(self) -> None:
        self._plain: list[tuple[Position, int, CacheRow]] = []
        self._scored: list[tuple[Position, int, CacheRow]] = []
        self._taken: list[
            tuple[RowDecoder, int, int]
        ] = []  # positions of each row, and after how many scores are wanted
        self._replies: list[tuple[Generation, int, int]] = []  # where the scores of each and of its guide are
        self._feedings: list[tuple[Feeding, slice]] = []
        self._ranges: list[IdRange] = []

    def add(self, work: Work, share: int) -> None:
        scored = self._add_row(work.row, share, work.num_scored(share))
        if scored.start == scored.stop:
            return
        self._ranges += work.ranges
        if isinstance(work, Feeding):
            self._feedings.append((work, scored))
            return
        guided = scored
        if work.guide is not None and work.guide.waiting:
            guided = self._add_row(work.guide, len(work.guide.waiting), 1)
        self._replies.append((work, scored.start, guided.start))

    def _add_row(self, row: RowDecoder, count: int, num_scored: int) -> slice:
        start = row.num_fed
        entries = [(position, start + place, row.cache) for place, position in enumerate(row.waiting[:count])]
        self._plain += entries[: count - num_scored]
        first = len(self._scored)
        self._scored += entries[count - num_scored :]
        self._taken.append((row, count, num_scored))
        return slice(first, len(self._scored))

    def run(self, prepared: PreparedModel, scratch: Scratch) -> Float[Tensor, "logits scores"]:
        """Feed all of it; the scores after the positions that want them."""
        ranges = merged(self._ranges)
        if not prepared.is_native:
            found = [row.feed_by_torch(count, ranges, num_logits=scored) for row, count, scored in self._taken]
            return torch.cat(found)
        positions, places, caches = zip(*self._plain, *self._scored, strict=True)
        logits = prepared.decode_step(
            scratch,
            tokens=[position.ids[0] for position in positions],
            slots=[position.slot for position in positions],
            positions=places,
            caches=caches,
            more=[position.ids[1:] for position in positions],
            ranges=ranges,
            num_logits=len(self._scored),
        )
        for row, count, _ in self._taken:
            row.note_fed(count)
        return logits

    def settle(self, logits: Float[Tensor, "logits scores"]) -> None:
        """Give everybody what came of it."""
        for feeding, where in self._feedings:
            feeding.found.append(logits[where][:, list(feeding.ids)])
        if not self._replies:
            return
        own = logits[[place for _, place, _ in self._replies]]
        guides = logits[[place for _, _, place in self._replies]]
        rows = [generation.reply for generation, *_ in self._replies]
        for (generation, *_), ids in zip(self._replies, take_position(rows, own, guides), strict=True):
            try:
                generation.append(ids)
            except Exception as error:  # A row's own error is its reader's; the others go on.
                generation.error = error


def _fail(work: Sequence[Work], cause: BaseException) -> None:
    """What a step did to its rows is not known when it fails: none of them goes on."""
    for item in work:
        if not item.is_done:
            item.error = StepError(f"a step of the model failed: {cause!r}")
            item.error.__cause__ = cause


def _is_ready(work: Work) -> bool:
    return not work.is_done and (isinstance(work, Feeding) or len(work.unread) < MAX_AHEAD)


def _shares(waiting: Sequence[int]) -> list[int]:
    """How many positions of each row go into a step: one of each that has one, and the rest as evenly as it goes."""
    shares = [min(count, 1) for count in waiting]
    left = STEP_POSITIONS - sum(shares)
    while left > 0:
        short = [place for place, count in enumerate(waiting) if shares[place] < count]
        if not short:
            break
        each = max(left // len(short), 1)
        for place in short[:left]:
            more = min(each, waiting[place] - shares[place])
            shares[place] += more
            left -= more
    return shares
