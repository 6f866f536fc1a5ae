"""A network over single frames in float64, in one call."""

from omniloom.kernels.frame_network.operator import PackedFrameNetwork as PackedFrameNetwork
