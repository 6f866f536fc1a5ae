"""Beam search as Tensor2Tensor does it, for any model that continues rows of ids.

Each row keeps two sets of `size` hypotheses. The *alive* ones grow: of all their continuations the 2 x size most
probable are looked at, so that `size` remain even if as many of them end. Those that end compete for the *finished*
set by their score, log p / ((5 + length) / 6)^alpha (Wu et al. 2016, section 7; the end counts in the length). A row
ends when even its worst finished hypothesis scores above the best alive one's log p over the penalty of the greatest
length: log p only falls, so nothing better can come. Where nothing has ended at the greatest length, the alive ones are
the result, and their score is log p itself, as there.

Readings taken, where the source leaves a choice or depends on what a row is batched with:

- Size 1 is greedy decoding, to which Tensor2Tensor turns there. Two candidates would let a second-best end compete.
- A row has its own greatest length and ends by itself; Tensor2Tensor counts from the longest input of the batch, and
  goes on until all rows may end. So a row gives the same result alone and in any batch.
- For several results of a row the finished set must be full before it ends. Tensor2Tensor then never ends early; the
  results are the same, since what comes after cannot enter the set.
- The greatest length is the input's plus 100, as its command line decodes; the paper (Vaswani et al. 2017, section 6.1)
  says 50. `extra_length` sets it.

A language model's answer ends where its text does and not at an id: `ends` then says which hypotheses have.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


class Stepper(Protocol):
    """A model in the middle of rows of ids; it begins with one row for each result that is wanted."""

    def step(self, ids: Int[Tensor, " N"]) -> Float[Tensor, "N V"]:
        """Add one id to each row and score what follows; scores are logits or log probabilities."""
        ...

    def reorder(self, rows: Int[Tensor, " M"]) -> None:
        """Go on with these of the rows, in this order; a row may come several times, or not at all."""
        ...


class Ends(Protocol):
    """Which hypotheses end with their last id; `rows` are those that they belong to, by number."""

    def __call__(self, rows: Int[Tensor, " A"], ids: Int[Tensor, "A C T"]) -> Bool[Tensor, "A C"]: ...


@dataclass(frozen=True, kw_only=True)
class BeamSearch:
    """How hypotheses are searched: Tensor2Tensor's settings.

    `alpha` is how much longer ones are favoured, 0 for plain log p. `num_results` of each row are returned.
    """

    size: int = 4
    alpha: float = 0.6
    extra_length: int = 100
    num_results: int = 1

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"size must be at least 1, got {self.size}")
        if not (math.isfinite(self.alpha) and self.alpha >= 0):
            raise ValueError(f"alpha must be a number from 0 up, got {self.alpha}; below 0 no bound would end a search")
        if self.extra_length < 0:
            raise ValueError(f"extra_length must not be negative, got {self.extra_length}")
        if not 1 <= self.num_results <= self.size:
            raise ValueError(f"num_results must be between 1 and size {self.size}, got {self.num_results}")

    def penalty(self, length: int) -> float:
        """What the log probability of a hypothesis of this length, its end included, is divided by."""
        return ((5 + length) / 6) ** self.alpha


@dataclass(frozen=True)
class Hypothesis:
    """Ids without the end id; `log_prob` is natural and counts the end where `is_finished`."""

    ids: tuple[int, ...]
    log_prob: float
    score: float
    is_finished: bool


def beam_search(
    stepper: Stepper,
    first_ids: Int[Tensor, " B"],
    *,
    end_id: int | Ends,
    max_lengths: Sequence[int],
    search: BeamSearch = BeamSearch(),
) -> list[list[Hypothesis]]:
    """The best continuations of each row, best first; at most `num_results`, and fewer where fewer were found.

    Args:
        stepper: Stands before `first_ids`: with them added it scores the first id of the result.
        first_ids: What begins each row's decoding, the start or a prompt's last id.
        end_id: Ends a hypothesis and is no part of it; or what tells which end, with their last id then a part.
        max_lengths: Of each row, how many ids may come, the end included.

    Raises:
        ValueError: If the numbers of rows and of lengths differ, or a length is below 1.
    """
    if len(max_lengths) != len(first_ids):
        raise ValueError(f"max_lengths must say one length for each of {len(first_ids)} rows, got {len(max_lengths)}")
    if min(max_lengths, default=1) < 1:
        raise ValueError(f"max_lengths must be at least 1, got {min(max_lengths)}")
    results: list[list[Hypothesis]] = [[] for _ in max_lengths]
    if not results:
        return results
    beams = _Beams.empty(first_ids, max_lengths, search)
    if search.size > 1:
        stepper.reorder(torch.arange(len(first_ids), device=first_ids.device).repeat_interleave(search.size))
    while True:
        logits = stepper.step(beams.newest.flatten())
        beams, parents = beams.grown(logits.float().log_softmax(-1), end_id)
        has_ended = beams.has_ended()
        for place in has_ended.nonzero().flatten().tolist():
            results[int(beams.row[place])] = beams.results(place, keeps_last=not isinstance(end_id, int))
        going = (~has_ended).nonzero().flatten()
        if not len(going):
            return results
        if len(going) < len(parents):
            beams = beams.only(going)
        stepper.reorder((going[:, None] * search.size + parents[going]).flatten())


class _Best(NamedTuple):
    """Hypotheses of rows, best first; those with log p of minus infinity hold a place and are none."""

    log_probs: Float[Tensor, "A K"]
    scores: Float[Tensor, "A K"]
    ids: Int[Tensor, "A K T"]
    lengths: Int[Tensor, "A K"]


@dataclass(frozen=True)
class _Beams:
    """The alive and the finished hypotheses of the rows that have not ended; all alive ones are equally long."""

    search: BeamSearch
    row: Int[Tensor, " A"]
    max_length: Int[Tensor, " A"]
    newest: Int[Tensor, "A K"]
    length: int
    alive: _Best
    finished: _Best

    @classmethod
    def empty(cls, first_ids: Int[Tensor, " B"], max_lengths: Sequence[int], search: BeamSearch) -> _Beams:
        """One alive hypothesis in each row, of no ids, and no finished one."""
        shape, device = (len(first_ids), search.size), first_ids.device
        none = torch.full(shape, -math.inf, device=device)
        no_ids = torch.zeros(*shape, 0, dtype=torch.long, device=device)
        lengths = torch.zeros(shape, dtype=torch.long, device=device)
        only_first = none.index_fill(1, torch.tensor([0], device=device), 0.0)
        return cls(
            search=search,
            row=torch.arange(len(first_ids), device=device),
            max_length=torch.tensor(max_lengths, device=device),
            newest=first_ids[:, None].expand(shape),
            length=0,
            alive=_Best(only_first, only_first, no_ids, lengths),
            finished=_Best(none, none, no_ids, lengths),
        )

    def grown(self, log_probs: Float[Tensor, "N V"], end_id: int | Ends) -> tuple[_Beams, Int[Tensor, "A K"]]:
        """All hypotheses one id longer, and from which alive one each new alive one comes."""
        size, num_ids, length = self.search.size, log_probs.shape[-1], self.length + 1
        total = self.alive.log_probs[..., None] + log_probs.view(-1, size, num_ids)
        num_candidates = min(2 * size, size * num_ids) if size > 1 else 1
        values, places = total.flatten(1).topk(num_candidates, dim=1)
        parents, ids = places // num_ids, places % num_ids
        so_far = self.alive.ids.gather(1, _deep(parents, self.length))
        longer = torch.cat([so_far, ids[..., None]], dim=2)
        ends = ids == end_id if isinstance(end_id, int) else end_id(self.row, longer)
        candidates = _Best(values, values / self.search.penalty(length), longer, torch.full_like(parents, length))
        alive, chosen = _best(_masked(candidates, ends), size)
        filled = torch.nn.functional.pad(self.finished.ids, (0, 1))
        both = [self.finished._replace(ids=filled), _masked(candidates, ~ends)]
        finished, _ = _best(_Best(*(torch.cat(parts, dim=1) for parts in zip(*both, strict=True))), size)
        grown = _Beams(self.search, self.row, self.max_length, alive.ids[..., -1], length, alive, finished)
        return grown, parents.gather(1, chosen)

    def has_ended(self) -> Bool[Tensor, " A"]:
        """Which rows can find nothing better, may not grow, or have nothing that grows."""
        greatest = ((5 + self.max_length.to(torch.float32)) / 6) ** self.search.alpha
        bound = self.alive.log_probs[:, 0] / greatest
        is_there = self.finished.log_probs > -math.inf
        worst = self.finished.scores.masked_fill(~is_there, math.inf).amin(1)
        has_enough = is_there.any(1) if self.search.num_results == 1 else is_there.all(1)
        nothing_grows = self.alive.log_probs[:, 0] == -math.inf
        return (has_enough & (worst > bound)) | (self.max_length <= self.length) | nothing_grows

    def results(self, place: int, *, keeps_last: bool) -> list[Hypothesis]:
        """The best finished hypotheses of a row, or if there is none the best alive ones."""
        is_finished = bool(self.finished.log_probs[place, 0] > -math.inf)
        best = self.finished if is_finished else self.alive._replace(scores=self.alive.log_probs)
        found = []
        for rank in range(self.search.num_results):
            log_prob, length = float(best.log_probs[place, rank]), int(best.lengths[place, rank])
            if log_prob > -math.inf:
                num_ids = length - (is_finished and not keeps_last)
                ids = tuple(best.ids[place, rank, :num_ids].tolist())
                found.append(Hypothesis(ids, log_prob, float(best.scores[place, rank]), is_finished))
        return found

    def only(self, places: Int[Tensor, " going"]) -> _Beams:
        """These of the rows."""
        alive, finished = (_Best(*(part[places] for part in best)) for best in (self.alive, self.finished))
        row, max_length, newest = self.row[places], self.max_length[places], self.newest[places]
        return _Beams(self.search, row, max_length, newest, self.length, alive, finished)


def _best(candidates: _Best, count: int) -> tuple[_Best, Int[Tensor, "A K"]]:
    """The best by score, and their places among the candidates."""
    scores, places = candidates.scores.topk(count, dim=1)
    ids = candidates.ids.gather(1, _deep(places, candidates.ids.shape[2]))
    return _Best(candidates.log_probs.gather(1, places), scores, ids, candidates.lengths.gather(1, places)), places


def _masked(candidates: _Best, left_out: Bool[Tensor, "A C"]) -> _Best:
    return candidates._replace(
        log_probs=candidates.log_probs.masked_fill(left_out, -math.inf),
        scores=candidates.scores.masked_fill(left_out, -math.inf),
    )


def _deep(places: Int[Tensor, "A C"], depth: int) -> Int[Tensor, "A C T"]:
    return places[..., None].expand(*places.shape, depth)
