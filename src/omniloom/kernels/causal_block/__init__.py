"""A causal block (mix over time, norm, widen, GELU, narrow) in one call, and a whole stack of them."""

from omniloom.kernels.causal_block.operator import PackedCausalBlock as PackedCausalBlock
from omniloom.kernels.causal_block.stack import Bounds as Bounds
from omniloom.kernels.causal_block.stack import PackedCausalStack as PackedCausalStack
from omniloom.kernels.causal_block.stack import StackedFrames as StackedFrames
