"""Rows of a causal torch model with its cache: begun together, gone on with, put in another order.

Prefixes are padded so that all end at one place, behind what all of them begin with, which is computed once. The cache
is touched only by what transformers' caches offer to everybody: repeated, selected from, handed back.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from itertools import accumulate
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from omniloom.evaluation.few_shot.models.base import TokenCount

FEWEST_SHARED = 8
"""Tokens that a common beginning must have for it to be computed apart."""

TRIED = [1, 2, 3, 4, 5, 6, 7, 8]
"""Ids of a row and of two continuations, to see whether a model takes them in a pack."""


class CausalModel:
    """A module with the call signature of transformers' causal models; `count` is of what went through it."""

    def __init__(self, module: nn.Module) -> None:
        """
        Raises:
            ValueError: If it cannot go on from a cache.
        """
        taken = inspect.signature(module.forward).parameters
        if missing := {"input_ids", "attention_mask", "position_ids", "past_key_values", "use_cache"} - set(taken):
            raise ValueError(f"the model's forward takes no {', '.join(sorted(missing))}; wrap it in one that does")
        self.module = module.eval()
        self.count = TokenCount()
        self._keeps = {"logits_to_keep": 1} if "logits_to_keep" in taken else {}

    @property
    def device(self) -> torch.device:
        return next(self.module.parameters()).device

    def __call__(
        self,
        ids: Int[Tensor, "B T"],
        mask: Int[Tensor, "B S"],
        cache: Any,
        *,
        keeps_last: bool,
    ) -> tuple[Float[Tensor, "B t V"], Any]:
        """The scores after each position, or after the last alone, and the cache with them in it.

        `mask` says of the cached positions and then of the new ones which are real.
        """
        new = mask[:, -ids.shape[1] :]
        positions = (mask.cumsum(1) - 1).clamp(min=0)[:, -ids.shape[1] :]
        self.count.computed += int(new.sum())
        out = self.module(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            **(self._keeps if keeps_last else {}),
        )
        logits = out.logits[:, -1:] if keeps_last else out.logits
        return logits.float(), out.past_key_values

    @cached_property
    def packs(self) -> bool:
        """Whether several continuations may go behind a row as one, each blind to the others, by a mask of four axes.

        Models of transformers take such a mask if their attention sees all that is before it. What a configuration
        does not tell is tried: a pack must score as its rows by themselves do. In half precision rounding would hide
        what is tried, so there it is not relied on.
        """
        config = getattr(self.module, "config", None)
        if config is None or next(self.module.parameters()).dtype not in (torch.float32, torch.float64):
            return False
        config = config.get_text_config() if hasattr(config, "get_text_config") else config
        kinds = getattr(config, "layer_types", None) or ()
        if getattr(config, "sliding_window", None) or any(kind != "full_attention" for kind in kinds):
            return False
        if getattr(config, "vocab_size", 0) <= max(TRIED):
            return False
        try:
            return self._scores_packs_alike()
        except Exception:  # Whatever it is that another's module cannot do with such a mask.
            return False

    @torch.inference_mode()
    def _scores_packs_alike(self) -> bool:
        shared, rests = TRIED[:3], [TRIED[3:5], TRIED[5:]]
        counted = replace(self.count)
        rows = CausalRows(self, [shared], SharedBeginning(self, [shared]))
        found = rows.scores_of_packs([rests])
        alone = [self.module(input_ids=torch.tensor([shared + own], device=self.device)).logits[0] for own in rests]
        self.count = counted
        return all(
            torch.allclose(own[: len(rest)], whole[len(shared) :].float(), atol=1e-4, rtol=1e-4)
            for own, whole, rest in zip(found, alone, rests, strict=True)
        )

    def go_on(
        self,
        ids: Int[Tensor, "B T"],
        visible: Bool[Tensor, "B 1 T S"],
        positions: Int[Tensor, "B T"],
        cache: Any,
    ) -> Float[Tensor, "B T V"]:
        """The scores after each of these, which see what is said of the cached positions and of the new ones."""
        dtype = next(self.module.parameters()).dtype
        hidden = torch.zeros(visible.shape, dtype=dtype, device=ids.device)
        return self.module(
            input_ids=ids,
            attention_mask=hidden.masked_fill(~visible, torch.finfo(dtype).min),
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
        ).logits.float()


class SharedBeginning:
    """What all of some rows begin with, computed once; `length` 0 where that is next to nothing."""

    def __init__(self, model: CausalModel, rows: Sequence[Sequence[int]]) -> None:
        # The last token of the shortest row stays its own, so that each row has one to be scored after.
        common = common_ids(*rows)[: min(map(len, rows)) - 1] if len(rows) > 1 else []
        self.length = len(common) if len(common) >= FEWEST_SHARED else 0
        self._cache: Any = None
        if self.length:
            ids = torch.tensor([common], device=model.device)
            _, self._cache = model(ids, torch.ones_like(ids), None, keeps_last=True)

    def cache(self, num_rows: int) -> Any:
        """A cache of its own with so many rows of it."""
        if self._cache is None:
            return None
        found = copy.deepcopy(self._cache)
        found.batch_repeat_interleave(num_rows)
        return found


class CausalRows:
    """Rows in the middle of being continued; a `Stepper` of beam search, before whose first step all stand."""

    def __init__(self, model: CausalModel, rows: Sequence[Sequence[int]], beginning: SharedBeginning) -> None:
        self._model, first = model, beginning.length
        width = max(map(len, rows)) - first
        padding = [width - (len(row) - first) for row in rows]
        ids = [[*[0] * empty, *row[first:]] for row, empty in zip(rows, padding, strict=True)]
        real = [[*[1] * first, *[0] * empty, *[1] * (width - empty)] for empty in padding]
        self.mask = torch.tensor(real, device=model.device)
        logits, self.cache = model(
            torch.tensor(ids, device=model.device), self.mask, beginning.cache(len(rows)), keeps_last=True
        )
        self.logits: Float[Tensor, "N V"] = logits[:, -1]
        """After the last position of each row."""
        self._is_waiting = True

    def step(self, ids: Int[Tensor, " N"]) -> Float[Tensor, "N V"]:
        """As beam search asks: its first ids are there already."""
        if self._is_waiting:
            self._is_waiting = False
            return self.logits
        return self.add(ids)

    def add(self, ids: Int[Tensor, " N"]) -> Float[Tensor, "N V"]:
        """One more id in each row, and the scores after it."""
        self.mask = torch.cat([self.mask, torch.ones_like(self.mask[:, :1])], dim=1)
        logits, self.cache = self._model(ids[:, None], self.mask, self.cache, keeps_last=True)
        self.logits = logits[:, -1]
        return self.logits

    def reorder(self, rows: Int[Tensor, " M"]) -> None:
        self.cache.batch_select_indices(rows)
        self.mask, self.logits = self.mask[rows], self.logits[rows]

    def scores_of(self, given: Int[Tensor, "N T"], is_real: Int[Tensor, "N T"]) -> Float[Tensor, "N T V"]:
        """The scores after each of several more ids, of which those behind a row's end are not real; ends the rows."""
        logits, _ = self._model(given, torch.cat([self.mask, is_real], dim=1), self.cache, keeps_last=False)
        return logits

    def scores_of_packs(self, rests: Sequence[Sequence[Sequence[int]]]) -> Float[Tensor, "R T V"]:
        """The same of several continuations of each row, in order, scores filled up; ends the rows.

        Those of a row stand one after another behind it, so that nothing of it is copied for each.
        """
        device, width = self.mask.device, self.mask.shape[1]
        owners = [torch.tensor([number for number, own in enumerate(row) for _ in own]) for row in rests]
        places = [torch.tensor([place for own in row for place in range(len(own))]) for row in rests]
        ids = pad_sequence([torch.tensor([i for own in row for i in own]) for row in rests], batch_first=True).to(
            device
        )
        owner = pad_sequence(owners, batch_first=True, padding_value=-1).to(device)
        is_new = (owner[:, :, None] == owner[:, None]) & torch.ones(
            ids.shape[1], ids.shape[1], dtype=torch.bool, device=device
        ).tril()
        is_old = self.mask[:, None].bool().expand(-1, ids.shape[1], width)
        positions = self.mask.sum(1, keepdim=True) + pad_sequence(places, batch_first=True).to(device)
        self._model.count.computed += sum(map(len, owners))
        logits = self._model.go_on(ids, torch.cat([is_old, is_new], dim=2)[:, None], positions, self.cache)
        found = []
        for scores, row in zip(logits, rests, strict=True):
            ends = accumulate(map(len, row))
            found += [scores[end - len(own) : end] for own, end in zip(row, ends, strict=True)]
        return pad_sequence(found, batch_first=True)


def common_ids(*rows: Sequence[int]) -> list[int]:
    """The ids with which all of these rows begin."""
    found = []
    for ids in zip(*rows, strict=False):
        if len(set(ids)) > 1:
            break
        found.append(ids[0])
    return found
