"""Native operators with torch references: softmax, sampling, convolution, linear, sparse and integer products, decoding."""

from omniloom.kernels.decode_step.operator import DecodeStep as DecodeStep
from omniloom.kernels.decode_step.operator import IdRange as IdRange
from omniloom.kernels.decode_step.operator import Scratch as Scratch
from omniloom.kernels.decode_step.weights import DecoderWeights as DecoderWeights
from omniloom.kernels.decode_step.weights import LayerWeights as LayerWeights
from omniloom.kernels.linear import PackedLinear as PackedLinear
from omniloom.kernels.linear import int8_linear as int8_linear
from omniloom.kernels.linear import int8_linear_shift as int8_linear_shift
from omniloom.kernels.linear import int8_matmul as int8_matmul
from omniloom.kernels.linear import linear as linear
from omniloom.kernels.linear import pack_linear as pack_linear
from omniloom.kernels.linear import quantize_rows as quantize_rows
from omniloom.kernels.native import REFERENCE as REFERENCE
from omniloom.kernels.native import chosen_instruction_set as chosen_instruction_set
from omniloom.kernels.native import instruction_sets as instruction_sets
from omniloom.kernels.sampling.operator import sample as sample
from omniloom.kernels.softmax.operator import log_softmax as log_softmax
from omniloom.kernels.softmax.operator import softmax as softmax
from omniloom.kernels.softmax_topk.operator import TopK as TopK
from omniloom.kernels.softmax_topk.operator import softmax_topk as softmax_topk
from omniloom.kernels.sparse_matmul import PackedSparse as PackedSparse
from omniloom.kernels.sparse_matmul import pack_sparse as pack_sparse
from omniloom.kernels.sparse_matmul import sparse_conv1x1 as sparse_conv1x1
from omniloom.kernels.sparse_matmul import sparse_linear as sparse_linear
