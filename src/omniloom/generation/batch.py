"""Many replies at once: rows of different lengths share each step, and each row's reply equals the one it gets alone.

Prompts are sorted by length and cut into groups. A row that ends waits only until half of its group has: then the
others move together. The native decode step reads each weight once for all rows and gives a row the same result, to the
last bit, whatever stands beside it; where it is not built, torch serves and the result is the same up to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from omniloom.generation.cache import GROWTH, BatchCache
from omniloom.generation.conversation import guide_prompt
from omniloom.generation.decoder import PIECE_TOKENS, PreparedModel
from omniloom.generation.reply import FinishReason
from omniloom.generation.sampling import Picker, Sampling, guided
from omniloom.kernels import IdRange
from omniloom.stream import vocabulary as v
from omniloom.stream.grammar import ReplyGrammar
from omniloom.stream.layout import next_slot, slots_of
from omniloom.stream.message import Want


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
        _Group(prepared, waiting[:batch_rows]).run()
        waiting = waiting[batch_rows:]
    return [FinishedRow(ids=tuple(row.ids), finish_reason=row.finish_reason) for row in rows]


class BatchDecoder:
    """Rows that step together."""

    def __init__(self, prepared: PreparedModel, prompts: Sequence[Sequence[int]]) -> None:
        self._prepared = prepared
        self._scratch = prepared.decode_step.scratch()
        longest = max(map(len, prompts))
        self._cache = BatchCache(prepared.config, num_rows=len(prompts), capacity=longest + GROWTH)
        slots = [slots_of(prompt, prepared.vocabulary) for prompt in prompts]
        self.logits = self._prefill(prompts, slots) if prepared.is_native else self._torch_prefill(prompts, slots)
        self.slots = [row[-1] for row in slots]
        self._cache.lengths = torch.tensor([len(prompt) for prompt in prompts])

    @torch.inference_mode()
    def step(
        self, tokens: Sequence[int], *, ranges: Sequence[IdRange], moves: Sequence[bool] | None = None
    ) -> Float[Tensor, "B V"]:
        """Logits, at least of the ids in `ranges`, after one more token in each row, until the next step.

        A row that does not move forgets its token again.
        """
        self._cache.reserve()
        vocabulary = self._prepared.vocabulary
        slots = [next_slot(slot, token, vocabulary) for slot, token in zip(self.slots, tokens, strict=True)]
        step = self._step if self._prepared.is_native else self._torch_step
        self.logits = step(tokens, slots, ranges)
        moved = moves or [True] * len(tokens)
        self.slots = [new if does else old for new, old, does in zip(slots, self.slots, moved, strict=True)]
        self._cache.lengths = self._cache.lengths + torch.tensor(moved)
        return self.logits

    def _prefill(self, prompts: Sequence[Sequence[int]], slots: Sequence[Sequence[int]]) -> Float[Tensor, "B V"]:
        logits = []
        for row, prompt in enumerate(prompts):
            for start in range(0, len(prompt), PIECE_TOKENS):
                stop = min(start + PIECE_TOKENS, len(prompt))
                last = self._prepared.decode_step(
                    self._scratch,
                    tokens=prompt[start:stop],
                    slots=slots[row][start:stop],
                    positions=range(start, stop),
                    rows=[row] * (stop - start),
                    keys=self._cache.keys,
                    values=self._cache.values,
                    ranges=None if stop == len(prompt) else (),
                    num_logits=1,
                )
            logits.append(last[0].clone())
        return torch.stack(logits)

    def _step(self, tokens: Sequence[int], slots: Sequence[int], ranges: Sequence[IdRange]) -> Float[Tensor, "B V"]:
        return self._prepared.decode_step(
            self._scratch,
            tokens=tokens,
            slots=slots,
            positions=self._cache.lengths.tolist(),
            rows=range(len(tokens)),
            keys=self._cache.keys,
            values=self._cache.values,
            ranges=ranges,
        )

    @torch.inference_mode()
    def _torch_prefill(self, prompts: Sequence[Sequence[int]], slots: Sequence[Sequence[int]]) -> Float[Tensor, "B V"]:
        longest = max(map(len, prompts))
        hidden = self._prepared.model(
            torch.tensor([[*prompt, *[v.PAD] * (longest - len(prompt))] for prompt in prompts]),
            torch.tensor([[*row, *[0] * (longest - len(row))] for row in slots]),
            cache=self._cache,
            table=self._prepared.table,
        )
        ends = torch.tensor([len(prompt) - 1 for prompt in prompts])
        return self._prepared.model.logits(hidden[torch.arange(len(prompts)), ends], table=self._prepared.table)

    def _torch_step(
        self, tokens: Sequence[int], slots: Sequence[int], ranges: Sequence[IdRange]
    ) -> Float[Tensor, "B V"]:
        hidden = self._prepared.model(
            torch.tensor(tokens)[:, None],
            torch.tensor(slots)[:, None],
            positions=self._cache.lengths[:, None],
            visible=self._cache.visible(),
            cache=self._cache,
            table=self._prepared.table,
        )
        return self._prepared.model.logits(hidden[:, 0], table=self._prepared.table)

    @torch.inference_mode()
    def keep(self, rows: Sequence[int]) -> None:
        """Drop all other rows; the logits of those kept stay as they are."""
        self._cache.keep(torch.tensor(rows))
        self.slots = [self.slots[row] for row in rows]


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
            self._step(tokens)

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

    def _step(self, tokens: list[int]) -> None:
        ranges = merged([pair for row in self._rows for pair in row.grammar.allowed_ranges(row.state)])
        self._decoder.step(tokens, ranges=ranges)
        if self._guide is None:
            return
        moves = [token >= self._image_start for token in tokens]
        if any(moves):
            stepped = self._guide.step(tokens, ranges=ranges, moves=moves)
            self._guide_logits = torch.where(torch.tensor(moves)[:, None], stepped, self._guide_logits)

    def _keep(self, places: list[int]) -> None:
        self._rows = [self._rows[place] for place in places]
        self._decoder.keep(places)
        if self._guide is not None:
            self._guide.keep(places)
            self._guide_logits = self._guide_logits[places]


def merged(ranges: Sequence[IdRange]) -> list[IdRange]:
    """The same ids in as few ranges as possible, in order."""
    found: list[IdRange] = []
    for first, stop in sorted(set(ranges)):
        if found and first <= found[-1][1]:
            found[-1] = (found[-1][0], max(stop, found[-1][1]))
        else:
            found.append((first, stop))
    return found
