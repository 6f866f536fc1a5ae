"""Other convolutions at their best settings: torch, oneDNN with weights it reordered, XNNPACK and ncnn, on one thread.

A peer is a function of a layer that gives a call without arguments, or None where it cannot do the layer. Where its
package is missing, that is said by `missing`, and its rows are left empty.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from omniloom.reproductions.convolution.layers import Layer

Call = Callable[[], Any]
Drawn = tuple[Tensor, Tensor, Tensor]


def as_rows(x: Tensor) -> Tensor:
    """The same with adjacent channels: torch's channels-last."""
    return x.movedim(1, -1).contiguous().movedim(-1, 1)


def torch_call(layer: Layer, drawn: Drawn, *, rows: bool) -> Call | None:
    x, weight, bias = drawn
    convolve = F.conv2d if len(layer.kernel) == 2 else F.conv1d
    if rows and len(layer.kernel) == 1:
        return None  # torch has channels-last for images only
    x, weight = (as_rows(x), as_rows(weight)) if rows else (x, weight)
    return lambda: convolve(x, weight, bias, **layer.settings)


def onednn_call(layer: Layer, drawn: Drawn, *, rows: bool) -> Call:
    """As torch's compiler calls it: weights reordered for this very input, sound as an image of height 1."""
    x, weight, bias = drawn
    if len(layer.kernel) == 1:
        x, weight = x[:, :, None].contiguous(), weight[:, :, None].contiguous()
        padding, stride, dilation = (0, layer.padding), (1, layer.stride), (1, layer.dilation)
    else:
        padding, stride, dilation = (layer.padding,) * 2, (layer.stride,) * 2, (layer.dilation,) * 2
    reorder: Any = torch._C._nn.mkldnn_reorder_conv2d_weight
    packed = reorder(weight.to_mkldnn(), padding, stride, dilation, layer.groups, list(x.shape))
    x = x.contiguous(memory_format=torch.channels_last) if rows else x
    convolve = torch.ops.mkldnn._convolution_pointwise
    return lambda: convolve(x, packed, bias, padding, stride, dilation, layer.groups, "none", [], "")


def ncnn_call(layer: Layer, drawn: Drawn) -> Call | None:
    """A network of one layer, float32 throughout, with its Winograd and its packing of channels."""
    if "ncnn" in missing() or len(layer.kernel) == 1 or layer.batch > 1 or layer.groups > 1:
        return None
    import ncnn

    x, weight, bias = drawn
    settings = {0: layer.channels_out, 1: layer.kernel[1], 11: layer.kernel[0], 2: layer.dilation, 3: layer.stride,
                4: layer.padding, 5: 1, 6: weight.numel()}  # fmt: skip
    listed = " ".join(f"{key}={value}" for key, value in settings.items())
    network = ncnn.Net()
    for name in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage"):
        setattr(network.opt, name, False)
    network.opt.num_threads = 1
    network.opt.use_winograd_convolution = network.opt.use_packing_layout = True
    with tempfile.TemporaryDirectory() as folder:
        text, weights = Path(folder) / "net.param", Path(folder) / "net.bin"
        text.write_text(f"7767517\n2 2\nInput in 0 1 in\nConvolution conv 1 1 in out {listed}\n")
        weights.write_bytes(np.zeros(1, np.uint32).tobytes() + weight.numpy().tobytes() + bias.numpy().tobytes())
        assert network.load_param(str(text)) == 0 and network.load_model(str(weights)) == 0
    image = ncnn.Mat(x[0].numpy())

    def call() -> Any:
        extractor = network.create_extractor()
        extractor.input("in", image)
        return extractor.extract("out")[1]

    return call


def xnnpack_call(layer: Layer, drawn: Drawn) -> Call | None:
    """Through executorch, with channels-last input, which XNNPACK computes in."""
    if "executorch" in missing():
        return None
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower
    from executorch.extension.pybindings.portable_lib import _unsafe_reset_threadpool
    from executorch.runtime import Runtime

    x, weight, bias = drawn
    kind: Any = nn.Conv2d if len(layer.kernel) == 2 else nn.Conv1d
    module = kind(layer.channels, layer.channels_out, layer.kernel, **layer.settings).eval()
    module.load_state_dict({"weight": weight, "bias": bias})
    if len(layer.kernel) == 2:
        x = as_rows(x)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exported = torch.export.export(module, (x,))
        program = to_edge_transform_and_lower(exported, partitioner=[XnnpackPartitioner()]).to_executorch()
    _unsafe_reset_threadpool(1)  # its threads would not be counted
    runtime = Runtime.get()
    loaded = runtime.load_program(program.buffer)
    method = loaded.load_method("forward")

    def call(_keeps: Any = (program, loaded)) -> Any:  # a method does not keep what it points into
        return method.execute([x])

    return call


@cache
def missing() -> dict[str, str]:
    """Peers that this environment lacks, and why."""
    found = {}
    try:
        import ncnn  # noqa: F401
    except ImportError as error:
        found["ncnn"] = str(error)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import executorch.backends.xnnpack.partition.xnnpack_partitioner
            import executorch.runtime  # noqa: F401
    except Exception as error:
        found["executorch"] = f"{error} (XNNPACK needs executorch with torchao, ruamel.yaml and tabulate)"
    return found
