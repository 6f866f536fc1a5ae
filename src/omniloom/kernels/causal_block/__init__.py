"""A causal block (mix over time, norm, widen, GELU, narrow) in one call."""

from omniloom.kernels.causal_block.operator import PackedCausalBlock as PackedCausalBlock
