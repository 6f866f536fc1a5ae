"""Products of sparse weights with dense activations: 1x1 convolutions and linear layers."""

from omniloom.kernels.sparse_matmul.operator import sparse_conv1x1 as sparse_conv1x1
from omniloom.kernels.sparse_matmul.operator import sparse_linear as sparse_linear
from omniloom.kernels.sparse_matmul.packing import PackedSparse as PackedSparse
from omniloom.kernels.sparse_matmul.packing import pack_sparse as pack_sparse
