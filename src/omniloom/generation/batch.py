"""Many replies at once: rows of different lengths share each step, and each row's reply equals the one it gets alone.

Prompts are sorted by length and cut into groups. A row that ends waits only until half of its group has: then the
others move together. The native decode step reads each weight once for all rows and gives a row the same result, to the
last bit, whatever stands beside it; where it is not built, torch serves and the result is the same up to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from omniloom.generation.cache import GROWTH, BatchCache
from omniloom.generation.decoder import PIECE_TOKENS, PreparedModel, more_of
from omniloom.generation.guide import guide_prompt
from omniloom.generation.reply import FinishReason, TokenCounts
from omniloom.generation.rules import Ruling, TokenScores
from omniloom.generation.sampling import Picker, Sampling, guided, pick_together
from omniloom.kernels import IdRange
from omniloom.stream import vocabulary as v
from omniloom.stream.folding import Folder, Position, fold
from omniloom.stream.grammar import NextIds, ReplyGrammar
from omniloom.stream.message import Want

WRITTEN: frozenset[Want] = frozenset({"text"})


@dataclass(frozen=True, kw_only=True)
class FinishedRow:
    """A reply's tokens, <end> included where it came; `prompt` counts the positions that the prompt took.

    `token_scores` has one for each of them, where log-probabilities are asked for.
    """

    ids: tuple[int, ...]
    token_scores: tuple[TokenScores | None, ...]
    finish_reason: FinishReason
    prompt: TokenCounts


def decode_rows(
    prepared: PreparedModel,
    prompts: Sequence[Sequence[int]],
    wants: Sequence[frozenset[Want]],
    *,
    sampling: Sampling,
    seeds: Sequence[int],
    max_tokens: int,
    batch_rows: int,
    rulings: Sequence[Ruling | None],
) -> list[FinishedRow]:
    """The reply to each prompt, in order; a prompt ends with <assistant>.

    Raises:
        ValueError: If a reply cannot be held to its rules any further.
    """
    counts = [TokenCounts.of(fold(prompt, prepared.vocabulary), prepared.vocabulary) for prompt in prompts]
    rows = [
        Row(
            prompt=prompt,
            wants=want,
            grammar=prepared.grammar(want),
            written=prepared.grammar(WRITTEN),
            ruling=ruling,
            picker=Picker(sampling, seed=seed),
            num_positions=count.total,
            max_tokens=max_tokens,
            # <end> must fit after a cut, as in a conversation.
            max_positions=prepared.config.context - 1,
        )
        for prompt, count, want, seed, ruling in zip(prompts, counts, wants, seeds, rulings, strict=True)
    ]
    waiting = sorted(rows, key=lambda row: row.num_positions, reverse=True)
    while waiting:
        _Group(prepared, waiting[:batch_rows]).run()
        waiting = waiting[batch_rows:]
    faults = [row.ruling.fault for row in rows if row.ruling is not None and row.ruling.fault is not None]
    if faults:
        raise faults[0]
    return [
        FinishedRow(
            ids=tuple(row.ids),
            token_scores=tuple(row.ruling.token_scores if row.ruling is not None else [None] * len(row.ids)),
            finish_reason=row.finish_reason,
            prompt=count,
        )
        for row, count in zip(rows, counts, strict=True)
    ]


class BatchDecoder:
    """Rows that step together."""

    def __init__(self, prepared: PreparedModel, prompts: Sequence[Sequence[int]]) -> None:
        self._prepared = prepared
        self._scratch = prepared.decode_step.scratch()
        self._folders = [Folder(prepared.vocabulary) for _ in prompts]
        rows = [folder.push(prompt) for folder, prompt in zip(self._folders, prompts, strict=True)]
        capacity = max(map(len, rows)) + GROWTH
        self._cache = BatchCache(prepared.config, num_rows=len(rows), capacity=capacity)
        self.logits = self._prefill(rows) if prepared.is_native else self._torch_prefill(rows)
        self._cache.lengths = torch.tensor([len(row) for row in rows])

    @torch.inference_mode()
    def step(self, ids: Sequence[Sequence[int]], *, ranges: Sequence[IdRange]) -> Float[Tensor, "B scores"]:
        """Scores, at least those in `ranges`, after one more position in each row, until the next step.

        A row without ids stays as it was, and its scores mean nothing.
        """
        self._cache.reserve()
        positions = [_only(folder.push(own)) if own else EMPTY for folder, own in zip(self._folders, ids, strict=True)]
        self.logits = (self._step if self._prepared.is_native else self._torch_step)(positions, ranges)
        self._cache.lengths = self._cache.lengths + torch.tensor([bool(own) for own in ids])
        return self.logits

    @torch.inference_mode()
    def _prefill(self, rows: Sequence[Sequence[Position]]) -> Float[Tensor, "B scores"]:
        """All positions but each row's last, whichever rows they are of, in full pieces; then the last ones."""
        flat = [(number, place, position) for number, row in enumerate(rows) for place, position in enumerate(row[:-1])]
        for start in range(0, len(flat), PIECE_TOKENS):
            numbers, places, positions = zip(*flat[start : start + PIECE_TOKENS], strict=True)
            self._feed(positions, places=places, rows=numbers, ranges=(), num_logits=0)
        ends = [len(row) - 1 for row in rows]
        return self._feed([row[-1] for row in rows], places=ends, rows=range(len(rows)), ranges=None).clone()

    def _step(self, positions: Sequence[Position], ranges: Sequence[IdRange]) -> Float[Tensor, "B scores"]:
        places = self._cache.lengths.tolist()
        return self._feed(positions, places=places, rows=range(len(positions)), ranges=ranges)

    def _feed(
        self,
        positions: Sequence[Position],
        *,
        places: Sequence[int],
        rows: Sequence[int],
        ranges: Sequence[IdRange] | None,
        num_logits: int | None = None,
    ) -> Float[Tensor, "logits scores"]:
        """Scores after the last `num_logits` of these positions, each at its place of its row."""
        return self._prepared.decode_step(
            self._scratch,
            tokens=[position.ids[0] for position in positions],
            slots=[position.slot for position in positions],
            positions=places,
            caches=[self._cache.rows[row] for row in rows],
            more=[position.ids[1:] for position in positions],
            ranges=ranges,
            num_logits=num_logits,
        )

    @torch.inference_mode()
    def _torch_prefill(self, rows: Sequence[Sequence[Position]]) -> Float[Tensor, "B scores"]:
        longest = max(map(len, rows))
        filled = [[*row, *[EMPTY] * (longest - len(row))] for row in rows]
        states = self._prepared.model(
            torch.tensor([[position.ids[0] for position in row] for row in filled]),
            torch.tensor([[position.slot for position in row] for row in filled]),
            more=more_of(filled, self._prepared.vocabulary),
            cache=self._cache,
            table=self._prepared.table,
        )
        ends = torch.tensor([len(row) - 1 for row in rows])
        return F.linear(states.last[torch.arange(len(rows)), ends], self._prepared.output)

    def _torch_step(self, positions: Sequence[Position], ranges: Sequence[IdRange]) -> Float[Tensor, "B scores"]:
        states = self._prepared.model(
            torch.tensor([[position.ids[0]] for position in positions]),
            torch.tensor([[position.slot] for position in positions]),
            more=more_of([[position] for position in positions], self._prepared.vocabulary),
            positions=self._cache.lengths[:, None],
            visible=self._cache.visible(),
            cache=self._cache,
            table=self._prepared.table,
        )
        return F.linear(states.last[:, 0], self._prepared.output)

    @torch.inference_mode()
    def keep(self, rows: Sequence[int]) -> None:
        """Drop all other rows; the logits of those kept stay as they are."""
        self._cache.keep(torch.tensor(rows))
        self._folders = [self._folders[row] for row in rows]


EMPTY = Position((v.PAD,), 0)


def _only(positions: Sequence[Position]) -> Position:
    """What a row moves by is one position."""
    (position,) = positions
    return position


@dataclass(eq=False, kw_only=True)
class Row:
    """A reply in the making; `num_positions` are those taken so far, the prompt's included.

    A call of a tool is `written`, whatever was wanted; from where it begins, that is the reply's grammar.
    """

    num_positions: int
    wants: frozenset[Want]
    grammar: ReplyGrammar
    picker: Picker
    max_tokens: int
    max_positions: int
    written: ReplyGrammar
    ruling: Ruling | None = None
    prompt: Sequence[int] = ()
    ids: list[int] = field(default_factory=list)
    finish_reason: FinishReason = "length"

    def __post_init__(self) -> None:
        self._is_cut = False
        if self.ruling is not None:
            self.grammar = self.written if self.ruling.must_call else self.grammar
            self._is_cut = not self.ruling.look(self.grammar.next_ids(self.grammar.start()))
        self.state = self.grammar.start()

    @property
    def is_finished(self) -> bool:
        is_full = len(self.ids) >= self.max_tokens or self.num_positions >= self.max_positions
        return is_full or self._is_cut or self.grammar.is_done(self.state)

    @property
    def guidance(self) -> float:
        return self.picker.sampling.image_guidance if "image" in self.wants else 0.0

    @property
    def next_ids(self) -> NextIds:
        return self.grammar.next_ids(self.state)

    @property
    def is_inside(self) -> bool:
        """Whether the next id shares the position of the last one."""
        return self.grammar.is_inside(self.state) and not self.is_finished

    def take(self, token: int) -> None:
        self.ids.append(token)
        self.state = self.grammar.advance(self.state, token)
        self.num_positions += not self.grammar.is_inside(self.state)
        if self.grammar.is_done(self.state):
            self.finish_reason = "stop"

    def take_ruled(self, token: int, scores: Float[Tensor, " ids"], ids: NextIds) -> None:
        """As `take`, of a row with rules: they may end the reply, or make it a written one."""
        assert self.ruling is not None
        was_call = self.ruling.is_call
        self.ruling.take(token, scores.numpy(), ids)
        if self.ruling.is_call and not was_call:
            self.grammar, self.state = self.written, self.written.start()
        self.take(token)
        if self.ruling.is_stopped:
            self.finish_reason, self._is_cut = "stop", True
        elif not self.is_finished:
            self._is_cut = not self.ruling.look(self.next_ids)


class _Group:
    """Rows decoded together until each has ended."""

    def __init__(self, prepared: PreparedModel, rows: list[Row]) -> None:
        self._rows = rows
        self._image_start = prepared.vocabulary.start_of("image")
        self._decoder = BatchDecoder(prepared, [row.prompt for row in rows])
        self._guide: BatchDecoder | None = None
        self._guide_logits: Tensor | None = None
        if any(row.guidance for row in rows):
            self._guide = BatchDecoder(prepared, [guide_prompt(row.wants) for row in rows])
            self._guide_logits = self._guide.logits

    def run(self) -> None:
        while True:
            ids = take_position(self._rows, self._decoder.logits, self._guide_logits)
            running = [place for place, row in enumerate(self._rows) if not row.is_finished]
            if not running:
                return
            if 2 * len(running) <= len(self._rows):
                ids = [ids[place] for place in running]
                self._keep(running)
            self._step([[] if row.is_finished else own for row, own in zip(self._rows, ids, strict=True)])

    def _step(self, ids: list[list[int]]) -> None:
        running = [row for row, own in zip(self._rows, ids, strict=True) if own]
        ranges = merged([pair for row in running for pair in row.grammar.score_ranges(row.state)])
        self._decoder.step(ids, ranges=ranges)
        if self._guide is None or self._guide_logits is None:
            return
        drawn = [own if own and own[0] >= self._image_start else [] for own in ids]
        if any(drawn):
            stepped = self._guide.step(drawn, ranges=ranges)
            moved = torch.tensor([bool(own) for own in drawn])
            self._guide_logits = torch.where(moved[:, None], stepped, self._guide_logits)

    def _keep(self, places: list[int]) -> None:
        self._rows = [self._rows[place] for place in places]
        self._decoder.keep(places)
        if self._guide is not None and self._guide_logits is not None:
            self._guide.keep(places)
            self._guide_logits = self._guide_logits[places]


def take_position(
    rows: Sequence[Row], logits: Float[Tensor, "B scores"], guide_logits: Float[Tensor, "B scores"] | None = None
) -> list[list[int]]:
    """One more position in each row that goes on: its ids.

    Rows that offer the same ids and pick by the same sampling are picked together. Ids of a position share its scores,
    so the second ones are picked of all rows that have them, then the third ones.
    """
    taken = [len(row.ids) for row in rows]
    going = [place for place, row in enumerate(rows) if not row.is_finished]
    while going:
        alike: dict[tuple[NextIds, Sampling], list[int]] = {}
        for place in going:
            alike.setdefault((rows[place].next_ids, rows[place].picker.sampling), []).append(place)
        for (ids, _), places in alike.items():
            scores, own = offered(logits, places, ids), [rows[place] for place in places]
            if guide_logits is not None and own[0].guidance and ids.modality == "image":
                scores = guided(scores, offered(guide_logits, places, ids), own[0].guidance)
            if any(row.ruling is not None for row in own):
                scores = _steered(own, scores, ids)
            tokens = pick_together([row.picker for row in own], scores, ids)
            for place, (row, token) in enumerate(zip(own, tokens, strict=True)):
                if row.ruling is None:
                    row.take(token)
                else:
                    row.take_ruled(token, scores[place], ids)
        going = [place for place in going if rows[place].is_inside]
    return [row.ids[start:] for row, start in zip(rows, taken, strict=True)]


def offered(logits: Float[Tensor, "B scores"], places: Sequence[int], ids: NextIds) -> Float[Tensor, "places ids"]:
    """The rows at these places: the scores of `ids`, minus infinity in the gaps, where other rows may have theirs."""
    found = logits[:, ids.first + ids.shift : ids.stop + ids.shift]
    if ids.gaps or len(places) < len(logits):
        found = found.index_select(0, torch.from_numpy(np.array(places)))
    for first, stop in ids.gaps:
        found[:, first - ids.first : stop - ids.first] = -torch.inf
    return found


def _steered(rows: Sequence[Row], scores: Float[Tensor, "rows ids"], ids: NextIds) -> Float[Tensor, "rows ids"]:
    """The scores by which to pick, of rows some of which have rules."""
    found = scores.clone()  # it may be a view of what others pick from
    for row, own in zip(rows, found.numpy(), strict=True):
        if row.ruling is not None:
            row.ruling.steer(own, ids)
    return found


def merged(ranges: Sequence[IdRange]) -> list[IdRange]:
    """The same ids in as few ranges as possible, in order."""
    found: list[IdRange] = []
    for first, stop in sorted(set(ranges)):
        if found and first <= found[-1][1]:
            found[-1] = (found[-1][0], max(stop, found[-1][1]))
        else:
            found.append((first, stop))
    return found
