"""The gated feed-forward layer: SwiGLU (Shazeer 2020, section 2), gate and value from one matrix."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class SwiGLU(nn.Module):
    def __init__(self, width: int, hidden_width: int) -> None:
        super().__init__()
        self.gate_value = nn.Linear(width, 2 * hidden_width, bias=False)
        self.out = nn.Linear(hidden_width, width, bias=False)

    def forward(self, x: Float[Tensor, "*rows D"]) -> Float[Tensor, "*rows D"]:
        gate, value = self.gate_value(x).chunk(2, dim=-1)
        return self.out(F.silu(gate) * value)
