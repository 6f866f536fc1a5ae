"""Written replies of an omni model by beam search: what several hypotheses of a prompt share is computed once.

A prompt is fed once; its other hypotheses begin as copies of its keys and values, and one that goes on from another's
words takes over that one's keys and values from where the two differ.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from omniloom.generation.beam.search import BeamSearch, Hypothesis, beam_search
from omniloom.generation.decoder import PreparedModel, RowDecoder
from omniloom.generation.likelihood.feeding import Feeder
from omniloom.stream.vocabulary import END


@torch.inference_mode()
def search_replies(
    prepared: PreparedModel,
    prompts: Sequence[Sequence[int]],
    *,
    search: BeamSearch,
    max_tokens: int,
    is_stopped: Callable[[Sequence[int]], bool] = lambda ids: False,
) -> list[list[Hypothesis]]:
    """The best replies to each prompt's ids, the reply's opening included; of at most `max_tokens` ids, <end> counted.

    `is_stopped` tells if a reply's ids hold all that is wanted; they are then whole as they are, as by <end>, which is
    no part of the result.

    Raises:
        ValueError: If a prompt does not fit the context, or leaves no room in it.
        OutOfCache: If there is no memory for so many prompts at once, with `search.size` rows each.
    """
    rows = _Rows(prepared, prompts, is_stopped)
    lengths = [min(max_tokens, prepared.config.context - row.num_positions) for row in rows.rows]
    first_ids = torch.zeros(len(prompts), dtype=torch.long)
    found = beam_search(rows, first_ids, end_id=rows.ends, max_lengths=lengths, search=search)
    return [[_without_end(own) for own in results] for results in found]


def _without_end(found: Hypothesis) -> Hypothesis:
    ids = found.ids[:-1] if found.ids and found.ids[-1] == END else found.ids
    return Hypothesis(ids, found.log_prob, found.score, found.is_finished)


class _Rows:
    """Hypotheses as rows of the model; a `Stepper`."""

    def __init__(
        self, prepared: PreparedModel, prompts: Sequence[Sequence[int]], is_stopped: Callable[[Sequence[int]], bool]
    ) -> None:
        self._prepared, self._is_stopped = prepared, is_stopped
        self._feeder = Feeder(prepared)
        self._state = self._feeder.grammar.start()
        self.rows: list[RowDecoder] = []
        for prompt in prompts:
            row = RowDecoder(prepared)
            row.append(prompt)
            self.rows.append(row)
        self._opening: Tensor | None = self._fed() if prompts else None

    def step(self, ids: Int[Tensor, " N"]) -> Float[Tensor, "N V"]:
        if self._opening is not None:  # What begins a reply was scored with the prompt.
            logits, self._opening = self._opening, None
        else:
            for row, token in zip(self.rows, ids.tolist(), strict=True):
                row.append_picked([token])
            logits = self._fed()
        allowed = self._feeder.grammar.allowed(self._state)
        # All hypotheses are equally long, and only text goes on: they are in one state.
        if bool(allowed[self._text]):
            self._state = self._feeder.grammar.advance(self._state, self._text)
        return logits.masked_fill(~allowed, -torch.inf)

    def reorder(self, rows: Int[Tensor, " M"]) -> None:
        wanted = rows.tolist()
        spare = sorted(set(range(len(self.rows))) - set(wanted))
        kept: set[int] = set()
        found = []
        for place in wanted:
            row = self.rows[place]
            if place in kept:
                # One near it is most likely of the same prompt, of which little has to be copied.
                after = bisect(spare, place)
                copy = self.rows[spare.pop(min(after, len(spare) - 1))] if spare else RowDecoder(self._prepared)
                copy.become(row)
                row = copy
            kept.add(place)
            found.append(row)
        self.rows = found
        if self._opening is not None:
            self._opening = self._opening[rows]

    def ends(self, rows: Int[Tensor, " A"], ids: Int[Tensor, "A C T"]) -> Bool[Tensor, "A C"]:
        """Which hypotheses end with <end>, or hold all that is wanted."""
        return torch.tensor([[own[-1] == END or self._is_stopped(own) for own in row] for row in ids.tolist()])

    @property
    def _text(self) -> int:
        return self._prepared.vocabulary.start_of("text")

    def _fed(self) -> Float[Tensor, "N V"]:
        scores = self._feeder.feed(self.rows, scores_all=False)
        return torch.cat(scores)[:, : self._prepared.vocabulary.size]
