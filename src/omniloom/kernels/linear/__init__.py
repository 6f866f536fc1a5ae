"""Linear layers with prepacked weights: float32, bfloat16 and int8."""

from omniloom.kernels.linear.operator import int8_linear as int8_linear
from omniloom.kernels.linear.operator import int8_linear_shift as int8_linear_shift
from omniloom.kernels.linear.operator import int8_matmul as int8_matmul
from omniloom.kernels.linear.operator import linear as linear
from omniloom.kernels.linear.operator import quantize_rows as quantize_rows
from omniloom.kernels.linear.packing import PackedLinear as PackedLinear
from omniloom.kernels.linear.packing import pack_linear as pack_linear
