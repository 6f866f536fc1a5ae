"""Convolution for inference, with packed weights."""

from omniloom.kernels.convolution.operator import PackedConv as PackedConv
from omniloom.kernels.convolution.operator import StreamedConv as StreamedConv
from omniloom.kernels.convolution.operator import conv as conv
from omniloom.kernels.convolution.operator import prepack as prepack
