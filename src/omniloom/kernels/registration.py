"""Operators of torch: a schema, a reference that also serves where there is no native code, and a fake version.

The native library registers what runs on a CPU as it is loaded, through torch's stable ABI. The reference is what every
other device runs, and the CPU too where the library is missing. Schemas are declared here alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from omniloom.kernels import native

_LIBRARY = torch.library.Library("omniloom", "DEF")


def define(schema: str, *, reference: Callable[..., Any], fake: Callable[..., Any]) -> torch._ops.OpOverload:
    """Make `torch.ops.omniloom.<name>` and return it.

    Args:
        schema: As in torch's own declarations: "softmax(Tensor input) -> Tensor".
        reference: Plain torch with the same arguments and result, on any device.
        fake: What shapes, dtypes and strides come out, from tensors without data.
    """
    name = schema.split("(")[0].strip()
    _LIBRARY.define(schema, tags=(torch.Tag.pt2_compliant_tag, torch.Tag.needs_fixed_stride_order))
    native.is_native()
    _LIBRARY.impl(name, reference, "CompositeExplicitAutograd")
    torch.library.register_fake(f"omniloom::{name}", fake, lib=_LIBRARY)
    operator: torch._ops.OpOverload = getattr(torch.ops.omniloom, name.split(".")[0]).default
    return operator


def call(operator: torch._ops.OpOverload, input: torch.Tensor, *rest: Any, reference: Callable[..., Any]) -> Any:
    """The operator, past its gradient where none is asked for: that is Python, and 10 us of a call.

    The reference serves under `torch.func` and forward-mode gradients, which a registered gradient knows nothing of.
    """
    if torch.compiler.is_compiling():
        return operator(input, *rest)
    if torch._C._functorch.peek_interpreter_stack() is not None or torch.autograd.forward_ad._current_level >= 0:
        return reference(input, *rest)
    if torch.is_inference_mode_enabled():
        return operator(input, *rest)
    given = (input, *rest)
    if torch.is_grad_enabled() and any(isinstance(item, torch.Tensor) and item.requires_grad for item in given):
        return operator(*given)
    with torch._C._AutoDispatchBelowAutograd():
        return operator(input, *rest)
