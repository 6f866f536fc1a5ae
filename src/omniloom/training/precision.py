"""Whether a device multiplies bf16 itself: where it does not, bf16 is emulated, several times slower than float32."""

from __future__ import annotations

import torch


def has_bfloat16(device: torch.device) -> bool:
    """True on GPUs of compute capability 8 and up, and on processors with AMX or AVX-512 BF16."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    # The public `torch.cpu.get_capabilities` is younger than the oldest torch that is supported.
    return bool(torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())


def uses_autocast(choice: bool | None, device: torch.device) -> bool:
    """The choice, or where there is none whether the device has bf16."""
    return has_bfloat16(device) if choice is None else choice
