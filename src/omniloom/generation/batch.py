"""Many replies at once: rows of different lengths share each step, and each row's reply equals the one it gets alone.

Prompts are sorted by length and cut into groups, each prefilled in one call. A row that ends waits only until half of
its group has: then the others move together. Decoding goes through torch, whose matrix products over many rows reach
several times the speed of as many single steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from omniloom.generation.cache import GROWTH, BatchCache
from omniloom.generation.conversation import guide_prompt
from omniloom.generation.decoder import PreparedModel
from omniloom.generation.reply import FinishReason
from omniloom.generation.sampling import Picker, Sampling, guided
from omniloom.stream import vocabulary as v
from omniloom.stream.grammar import ReplyGrammar
from omniloom.stream.layout import MAX_SLOT, slots_of
from omniloom.stream.message import Want

GROUP_TOKENS = 12_288
"""Padded prompt tokens prefilled at once; bounds memory at about 200 MB for the tiny model."""


@dataclass(frozen=True, kw_only=True)
class FinishedRow:
    """A reply's tokens, <end> included where it came."""

    ids: tuple[int, ...]
    finish_reason: FinishReason


def decode_rows(
    prepared: PreparedModel,
    prompts: Sequence[Sequence[int]],
    wants: Sequence[frozenset[Want]],
    *,
    sampling: Sampling,
    seeds: Sequence[int],
    max_tokens: int,
    batch_rows: int,
) -> list[FinishedRow]:
    """The reply to each prompt, in order; a prompt ends with <assistant>."""
    rows = [
        _Row(
            prompt=prompt,
            wants=want,
            grammar=prepared.grammar(want),
            picker=Picker(sampling, seed=seed, vocabulary=prepared.vocabulary),
            limit=min(max_tokens, prepared.config.context - len(prompt) - 1),
        )
        for prompt, want, seed in zip(prompts, wants, seeds, strict=True)
    ]
    waiting = sorted(rows, key=lambda row: len(row.prompt), reverse=True)
    while waiting:
        count = max(1, min(batch_rows, GROUP_TOKENS // len(waiting[0].prompt)))
        _Group(prepared, waiting[:count]).run()
        waiting = waiting[count:]
    return [FinishedRow(ids=tuple(row.ids), finish_reason=row.finish_reason) for row in rows]


class BatchDecoder:
    """Rows that step together."""

    def __init__(self, prepared: PreparedModel, prompts: Sequence[Sequence[int]]) -> None:
        self._prepared = prepared
        longest = max(map(len, prompts))
        self._cache = BatchCache(prepared.config, num_rows=len(prompts), capacity=longest + GROWTH)
        self.logits = self._prefill(prompts, longest)
        self.slots = torch.tensor([slots_of(prompt, prepared.vocabulary)[-1] for prompt in prompts])

    @torch.inference_mode()
    def _prefill(self, prompts: Sequence[Sequence[int]], longest: int) -> Float[Tensor, "B V"]:
        ids = torch.tensor([[*prompt, *[v.PAD] * (longest - len(prompt))] for prompt in prompts])
        slots = torch.tensor(
            [[*slots_of(prompt, self._prepared.vocabulary), *[0] * (longest - len(prompt))] for prompt in prompts]
        )
        hidden = self._prepared.model(ids, slots, cache=self._cache, table=self._prepared.table)
        lengths = torch.tensor([len(prompt) for prompt in prompts])
        self._cache.lengths = lengths
        return self._prepared.model.logits(hidden[torch.arange(len(prompts)), lengths - 1], table=self._prepared.table)

    @torch.inference_mode()
    def step(self, tokens: Int[Tensor, " B"], *, moves: Bool[Tensor, " B"] | None = None) -> Float[Tensor, "B V"]:
        """Logits after one more token in each row; a row that does not move forgets its token again."""
        self._cache.reserve()
        media_start = self._prepared.vocabulary.start_of("audio")
        slots = torch.where(tokens >= media_start, (self.slots + 1).clamp(max=MAX_SLOT), 0)
        hidden = self._prepared.model(
            tokens[:, None],
            slots[:, None],
            positions=self._cache.lengths[:, None],
            visible=self._cache.visible(),
            cache=self._cache,
            table=self._prepared.table,
        )
        moved = torch.ones_like(tokens, dtype=torch.bool) if moves is None else moves
        self.slots = torch.where(moved, slots, self.slots)
        self._cache.lengths = self._cache.lengths + moved
        self.logits = self._prepared.model.logits(hidden[:, 0], table=self._prepared.table)
        return self.logits

    @torch.inference_mode()
    def keep(self, rows: Int[Tensor, " kept"]) -> None:
        """Drop all other rows."""
        self._cache.keep(rows)
        self.slots, self.logits = self.slots[rows], self.logits[rows]


@dataclass(eq=False, kw_only=True)
class _Row:
    """A reply in the making."""

    prompt: Sequence[int]
    wants: frozenset[Want]
    grammar: ReplyGrammar
    picker: Picker
    limit: int
    ids: list[int] = field(default_factory=list)
    finish_reason: FinishReason = "length"

    def __post_init__(self) -> None:
        self.state = self.grammar.start()

    @property
    def is_finished(self) -> bool:
        return len(self.ids) >= self.limit or self.grammar.is_done(self.state)

    @property
    def guidance(self) -> float:
        return self.picker.sampling.image_guidance if "image" in self.wants else 0.0

    def take(self, token: int) -> None:
        self.ids.append(token)
        self.state = self.grammar.advance(self.state, token)
        if self.grammar.is_done(self.state):
            self.finish_reason = "stop"


class _Group:
    """Rows decoded together until each has ended."""

    def __init__(self, prepared: PreparedModel, rows: list[_Row]) -> None:
        self._rows = rows
        self._image_start = prepared.vocabulary.start_of("image")
        self._decoder = BatchDecoder(prepared, [row.prompt for row in rows])
        self._guide: BatchDecoder | None = None
        if any(row.guidance for row in rows):
            self._guide = BatchDecoder(prepared, [guide_prompt(row.wants) for row in rows])
            self._guide_logits = self._guide.logits

    def run(self) -> None:
        while True:
            tokens = self._pick()
            for row, token in zip(self._rows, tokens, strict=True):
                if not row.is_finished:
                    row.take(token)
            running = [place for place, row in enumerate(self._rows) if not row.is_finished]
            if not running:
                return
            if 2 * len(running) <= len(self._rows):
                tokens = [tokens[place] for place in running]
                self._keep(running)
            self._step(torch.tensor(tokens))

    def _pick(self) -> list[int]:
        masks = torch.stack([row.grammar.allowed(row.state) for row in self._rows])
        logits = self._decoder.logits.masked_fill(~masks, -torch.inf)
        tokens: list[int] = logits.argmax(-1).tolist()
        for place, row in enumerate(self._rows):
            ranges = row.grammar.allowed_ranges(row.state)
            is_guided = bool(row.guidance) and ranges[0][0] >= self._image_start
            if row.is_finished or (row.picker.is_greedy and not is_guided):
                continue
            steered = logits[place]
            if is_guided:
                steered = guided(steered, self._guide_logits[place], ranges, row.guidance)
            tokens[place] = row.picker.pick(steered, ranges)
        return tokens

    def _step(self, tokens: Int[Tensor, " B"]) -> None:
        self._decoder.step(tokens)
        if self._guide is None:
            return
        moves = tokens >= self._image_start
        if bool(moves.any()):
            stepped = self._guide.step(tokens, moves=moves)
            self._guide_logits = torch.where(moves[:, None], stepped, self._guide_logits)

    def _keep(self, places: list[int]) -> None:
        kept = torch.tensor(places)
        self._rows = [self._rows[place] for place in places]
        self._decoder.keep(kept)
        if self._guide is not None:
            self._guide.keep(kept)
            self._guide_logits = self._guide_logits[kept]
