"""The decode step in torch: what the native one must equal, and what serves where there is none."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from omniloom.kernels.decode_step.weights import DecoderWeights, ScoreBlock, narrowed

Times = Callable[[Tensor, Tensor], Tensor]


def decode_step(
    weights: DecoderWeights,
    *,
    token: int,
    slot: int,
    position: int,
    keys: Float[Tensor, "layers G S E"],
    values: Float[Tensor, "layers G S E"],
    angles: tuple[Float[Tensor, "S half"], Float[Tensor, "S half"]],
    more: Sequence[int] = (),
    rounds_inputs: bool = False,
) -> Float[Tensor, " scores"]:
    """Logits after one more token; its keys and values are written at `position`, which counts the tokens before it.

    `more` are the ids beside the token. With `rounds_inputs` what a bfloat16 matrix is multiplied with is rounded.
    """
    times = _times_rounded if rounds_inputs else F.linear
    cosine, sine = angles[0][position], angles[1][position]
    x = _unit(embedded(weights, token, more, times) + weights.slots[slot], weights)
    for index, layer in enumerate(weights.layers):
        normed = _unit(x, weights) * layer.attention_norm
        heads_HE = times(normed, layer.query_key_value).view(-1, weights.head_width)
        query, key, value = heads_HE.split([weights.num_heads, weights.num_kv_heads, weights.num_kv_heads])
        keys[index, :, position] = _rotate(_unit(key, weights), cosine, sine)
        values[index, :, position] = value
        query = _rotate(_unit(query, weights), cosine, sine).view(weights.num_kv_heads, -1, weights.head_width)
        scores_GHS = query @ keys[index, :, : position + 1].transpose(1, 2) * weights.head_width**-0.5
        mixed = scores_GHS.softmax(-1) @ values[index, :, : position + 1]
        x = x + times(mixed.reshape(-1), layer.attention_out)
        gate, value = times(_unit(x, weights) * layer.feedforward_norm, layer.gate_value).chunk(2)
        x = x + times(F.silu(gate) * value, layer.feedforward_out)
    return _scores(weights, _unit(x, weights)) if rounds_inputs else F.linear(_unit(x, weights), weights.output)


def _times_rounded(x: Float[Tensor, " columns"], weight: Float[Tensor, "rows columns"]) -> Float[Tensor, " rows"]:
    is_narrow = narrowed(weight).dtype == torch.bfloat16
    return F.linear(x.bfloat16().float() if is_narrow else x, weight)


def _scores(weights: DecoderWeights, state: Float[Tensor, " D"]) -> Float[Tensor, " scores"]:
    """The scores by the parts that their matrix is made of, for it is these that may be of bfloat16."""
    found = []
    for block in weights.blocks or (ScoreBlock(rows=weights.output),):
        own = state if block.head is None else _times_rounded(state, block.head)
        scores = _times_rounded(own, block.rows)
        if block.digits is not None:
            scores = scores + block.of_digits(_times_rounded(own, block.digits))
        found.append(scores)
    return torch.cat(found)


def embedded(weights: DecoderWeights, token: int, more: Sequence[int], times: Times = F.linear) -> Float[Tensor, " D"]:
    """The vector of a token and the ids beside it."""
    if not more:
        return weights.table[token]
    assert weights.places is not None
    others = weights.table[list(more)].flatten()
    return weights.table[token] + times(others, weights.places[:, : len(others)])


def _unit(x: Tensor, weights: DecoderWeights) -> Tensor:
    return F.rms_norm(x, x.shape[-1:], eps=weights.norm_epsilon)


def _rotate(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cosine - second * sine, second * cosine + first * sine], dim=-1)
