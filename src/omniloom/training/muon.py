"""Muon (Jordan et al. 2024) in the precision that is asked for, over whole matrices or those that processes share.

torch.optim.Muon always orthogonalizes in bf16. Where a processor has no bf16 arithmetic that is many times slower than
float32, and two processes that add up gradients in another order then differ by its rounding; here it is a choice.

The update orthogonalizes a whole matrix. torch's Muon does run on shards, but it exchanges data in each of its five
iterations and rounds partial sums to bf16 on the way: of a 7 x 5 matrix, elements of an update came out up to 6 % from
those of one process. Here each matrix is gathered once, to one process, which orthogonalizes it while the others do
theirs, and sent back: numbers as of one process, the work divided, twice the bytes of one gather.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor

Polynomials = tuple[tuple[float, float, float], ...]
"""Of each iteration: a, b, c of ax + bx^3 + cx^5, which takes every singular value x nearer to 1."""

FIVE_ALIKE: Polynomials = ((3.4445, -4.775, 2.0315),) * 5
"""Jordan et al. 2024: 0.0016 to 1 becomes 0.7 to 1.2."""

THREE_BEST: Polynomials = ((8.0934, -23.6204, 17.4462), (3.6366, -2.7219, 0.5365), (2.6613, -1.9772, 0.4526))
"""Each the polynomial of this degree nearest to 1 over what the one before leaves (Amsel et al. 2025, Polar Express):
0.01 to 1 becomes 0.73 to 1.27, for three fifths of the products."""


class OrthogonalMomentum(torch.optim.Muon):
    """`torch.optim.Muon` that orthogonalizes in `dtype`, also where `fully_shard` has cut matrices along their rows."""

    def __init__(
        self,
        params: Iterable[Any],
        *,
        dtype: torch.dtype,
        polynomials: Polynomials = FIVE_ALIKE,
        **settings: float,
    ) -> None:
        super().__init__(params, **settings)  # type: ignore[arg-type]
        self.dtype, self.polynomials = dtype, polynomials

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        assert closure is None
        for group in self.param_groups:
            parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
            updates = [self._with_momentum(parameter, group) for parameter in parameters]
            for parameter, update in zip(parameters, _orthogonalized_together(updates, self.polynomials), strict=True):
                rate = group["lr"] * math.sqrt(max(1, parameter.shape[0] / parameter.shape[1]))
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.add_(update, alpha=-rate)

    def _with_momentum(self, parameter: Tensor, group: dict[str, Any]) -> Any:
        state, gradient = self.state[parameter], parameter.grad
        assert gradient is not None
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(gradient)
        average = state["momentum_buffer"]
        average.lerp_(gradient, 1 - group["momentum"])
        return gradient.lerp(average, group["momentum"]).to(self.dtype)


def _orthogonalized_together(updates: list[Any], polynomials: Polynomials) -> list[Any]:
    """Each matrix orthogonalized by one process; the largest are dealt out first, so that all have alike to do."""
    if not updates or not hasattr(updates[0], "device_mesh"):
        return _orthogonalized_alike(updates, polynomials)
    from torch.distributed.tensor import distribute_tensor

    mesh, device = updates[0].device_mesh, updates[0].device
    by_size = sorted(range(len(updates)), key=lambda number: -updates[number].numel())
    owner = {number: place % mesh.size() for place, number in enumerate(by_size)}
    own: dict[int, Tensor] = {}
    for number, update in enumerate(updates):
        whole = update.full_tensor()
        if owner[number] == mesh.get_local_rank():
            own[number] = whole
    own = {number: orthogonalized(whole, polynomials) for number, whole in own.items()}
    results = []
    for number, update in enumerate(updates):
        is_own = number in own
        whole = own.pop(number).contiguous() if is_own else torch.empty(update.shape, dtype=update.dtype, device=device)
        dist.broadcast(whole, group=mesh.get_group(), group_src=owner[number])
        results.append(distribute_tensor(whole, mesh, update.placements, src_data_rank=None))
    return results


def _orthogonalized_alike(updates: list[Tensor], polynomials: Polynomials) -> list[Tensor]:
    """Whole matrices, all of one shape in one batched product."""
    alike: dict[torch.Size, list[int]] = defaultdict(list)
    for number, update in enumerate(updates):
        alike[update.shape].append(number)
    found = dict[int, Tensor]()
    for numbers in alike.values():
        stacked = orthogonalized(torch.stack([updates[number] for number in numbers]), polynomials)
        found.update(zip(numbers, stacked, strict=True))
    return [found[number] for number in range(len(updates))]


def orthogonalized(matrix: Float[Tensor, "*num rows columns"], polynomials: Polynomials) -> Tensor:
    """Newton-Schulz iteration (Jordan et al. 2024): singular values towards 1."""
    is_tall = matrix.shape[-2] > matrix.shape[-1]
    wide = matrix.mT if is_tall else matrix
    wide = wide / wide.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)
    add = torch.baddbmm if wide.ndim == 3 else torch.addmm
    for a, b, c in polynomials:
        gram = wide @ wide.mT
        wide = add(wide, add(gram, gram, gram, beta=b, alpha=c), wide, beta=a)
    return wide.mT if is_tall else wide
