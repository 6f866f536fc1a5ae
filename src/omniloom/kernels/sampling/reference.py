"""Sampling in torch: what the native one must equal, and what serves where there is none."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

LEAST_TEMPERATURE = 1e-6
_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (0x9E3779B9, 0xBB67AE85)
_LOW, _SHIFT = np.uint64(0xFFFFFFFF), np.uint64(32)


def philox_uniform(seed: Tensor, counter: Tensor) -> Tensor:
    """Numbers in [0, 1) from Philox4x32-10 (Salmon et al. 2011, section 3.3); key `seed`, block (counter, 0)."""
    keys, counters = (tensor.cpu().numpy().astype(np.uint64) for tensor in (seed, counter))
    words = [counters & _LOW, counters >> _SHIFT, np.zeros_like(counters), np.zeros_like(counters)]
    key = [keys & _LOW, keys >> _SHIFT]
    for _ in range(10):
        first, second = _MULTIPLIERS[0] * words[0], _MULTIPLIERS[1] * words[2]
        words = [
            (second >> _SHIFT) ^ words[1] ^ key[0],
            second & _LOW,
            (first >> _SHIFT) ^ words[3] ^ key[1],
            first & _LOW,
        ]
        key = [(part + np.uint64(step)) & _LOW for part, step in zip(key, _WEYL, strict=True)]
    bits = (words[1] << _SHIFT | words[0]) >> np.uint64(11)
    return torch.from_numpy(bits.astype(np.float64) * 2.0**-53).to(seed.device)


def kept_probabilities(logits: Tensor, temperature: Tensor, top_k: Tensor, top_p: Tensor, min_p: Tensor) -> Tensor:
    """What each token is drawn with, in float64; 0 for those cut off. Greedy rows have one token."""
    order = logits.double().sort(dim=-1, descending=True, stable=True)
    scale = 1 / temperature.clamp(min=LEAST_TEMPERATURE)
    nats = (order.values - order.values[:, :1]) * scale[:, None]
    weights = nats.exp()
    rank = torch.arange(logits.shape[1], device=logits.device)
    num_kept = torch.where(top_k > 0, top_k, logits.shape[1]).where(temperature > 0, 1)
    weights = weights.where(rank < num_kept[:, None], 0)
    before = weights.cumsum(-1) - weights
    in_nucleus = (before < (top_p * weights.sum(-1))[:, None]) | (top_p >= 1)[:, None] | (rank == 0)
    weights = weights.where(in_nucleus & (nats >= min_p.log()[:, None]), 0)
    weights = weights / weights.sum(-1, keepdim=True)
    return torch.zeros_like(weights).scatter(-1, order.indices, weights)


def sample(
    logits: Tensor, temperature: Tensor, top_k: Tensor, top_p: Tensor, min_p: Tensor, seed: Tensor, counter: Tensor
) -> Tensor:
    probabilities = kept_probabilities(logits, temperature, top_k, top_p, min_p)
    reached = probabilities.cumsum(-1)
    if not bool(reached[:, -1].isfinite().all()):
        row = int((~reached[:, -1].isfinite()).nonzero()[0])
        raise RuntimeError(
            f"sample: row {row} offers no token: all of its logits are minus infinity, or one is NaN or infinite"
        )
    target = philox_uniform(seed, counter)[:, None] * reached[:, -1:]
    last = logits.shape[1] - 1 - (probabilities.flip(-1) > 0).to(torch.uint8).argmax(-1)
    return torch.minimum((reached <= target).sum(-1), last)
