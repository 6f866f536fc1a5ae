"""Loads the native library and says which instruction sets it offers here.

`OMNILOOM_ISA` chooses one (avx512, avx2, portable) when the library is loaded; tests reach each of them on one machine
by `forced`. Where the library is missing, older than its sources, or asked not to be used (`OMNILOOM_ISA=reference`),
torch references serve: slower, equal in result, and said so once by a warning unless it was asked for.
"""

from __future__ import annotations

import ctypes
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch

from omniloom.kernels import build

REFERENCE = "reference"
REMEDY = "run `make setup` (a C++ compiler is needed), or `python -m omniloom.kernels`"

ONE_VERSION = {"code_lookup": "omniloom::look_up_codes", "sampling": "omniloom::sample"}
"""Operators without kernels of their own for each instruction set, and what torch calls them."""


@cache
def library() -> ctypes.CDLL | None:
    """The native library, or None where it was not built or does not fit its sources; then a warning says so."""
    problem = _problem()
    if problem:
        warnings.warn(f"native operators {problem}, the slow torch reference serves; {REMEDY}", stacklevel=2)
        return None
    # Its operators are registered as it is loaded.
    torch.ops.load_library(str(build.LIBRARY))
    found = ctypes.CDLL(str(build.LIBRARY))
    found.omniloom_isa_name.restype = ctypes.c_char_p
    found.omniloom_kernels.restype = ctypes.c_char_p
    found.omniloom_workspace_size.restype = ctypes.c_int64
    found.omniloom_workspace_size.argtypes = (ctypes.c_void_p, ctypes.c_int32, ctypes.c_int32)
    found.omniloom_decode_step.restype = found.omniloom_rounding_decode_step.restype = ctypes.c_void_p
    found.omniloom_run_decode_steps.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int32)
    found.omniloom_run_decode_steps.restype = None
    found.omniloom_run_stretches.argtypes = (*[ctypes.c_void_p] * 3, ctypes.c_int32, *[ctypes.c_void_p] * 2)
    found.omniloom_run_stretches.restype = None
    found.omniloom_pick_likeliest.argtypes = (ctypes.c_void_p, ctypes.c_int32)
    found.omniloom_pick_likeliest.restype = None
    found.omniloom_prefer_large_pages.argtypes = (ctypes.c_void_p, ctypes.c_int64)
    found.omniloom_prefer_large_pages.restype = None
    return found


def _problem() -> str:
    """Why there is no library to load; empty if there is one."""
    if not build.LIBRARY.exists():
        return "are not built"
    # A library that was installed without its sources fits them by definition; one in a folder of sources says for
    # itself what it was made from, and is asked by reading it, for once loaded its operators could not be taken back.
    if build.sources() and build.digest().encode() not in build.LIBRARY.read_bytes():
        return "are older than their sources"
    return ""


@cache
def instruction_sets() -> dict[str, int]:
    """Those that this processor runs, best first, with their place in the native table; empty without the library."""
    found = library()
    if found is None:
        return {}
    names: dict[str, int] = {}
    index = 0
    while (name := found.omniloom_isa_name(index)) is not None:
        if found.omniloom_isa_is_supported(index):
            names[name.decode()] = index
        index += 1
    return dict(reversed(names.items()))


def has_rounding_step() -> bool:
    """Whether the decode step can round its inputs to bfloat16 here (`DecodeStep`): AVX512_BF16 is needed for it."""
    found, chosen = library(), chosen_instruction_set()
    return (
        found is not None
        and chosen != REFERENCE
        and bool(found.omniloom_rounding_decode_step(instruction_sets()[chosen]))
    )


def prefer_large_pages(memory: torch.Tensor) -> None:
    """Ask the system for large pages under a tensor on the CPU that was allocated but not yet written."""
    found = library()
    if found is not None and memory.device.type == "cpu":
        found.omniloom_prefer_large_pages(memory.data_ptr(), memory.nbytes)


def kernels() -> dict[str, tuple[str, ...]]:
    """The native kernels of each operator, as the library lists them; empty without it."""
    found = library()
    pairs = [line.split("/") for line in found.omniloom_kernels().decode().split()] if found else []
    return {operator: tuple(name for owner, name in pairs if owner == operator) for operator, _ in pairs}


def operators() -> tuple[str, ...]:
    """Every operator that runs natively here, those compiled once for all instruction sets too; none without it."""
    if library() is None:
        return ()
    alike = [name for name, own in ONE_VERSION.items() if torch._C._dispatch_has_kernel_for_dispatch_key(own, "CPU")]
    return tuple(sorted([*kernels(), *alike]))


def chosen_instruction_set() -> str:
    """What is used from now on: $OMNILOOM_ISA, else the one in use, the best there is, else "reference".

    Raises:
        ValueError: If $OMNILOOM_ISA names one that this machine does not offer.
    """
    wanted = os.environ.get("OMNILOOM_ISA", "")
    if wanted == REFERENCE:
        return REFERENCE
    offered = instruction_sets()
    if wanted and wanted not in offered:
        raise ValueError(f"OMNILOOM_ISA={wanted} is not offered here; use one of {', '.join([*offered, REFERENCE])}")
    found = library()
    if wanted or found is None:
        return wanted or REFERENCE
    in_use = found.omniloom_isa_in_use()
    return next(name for name, index in offered.items() if index == in_use)


@contextmanager
def forced(name: str) -> Iterator[None]:
    """Every operator of torch runs this instruction set meanwhile, in all threads; for tests and benchmarks."""
    found = library()
    assert found is not None, "there is no native library to force"
    before = found.omniloom_isa_in_use()
    found.omniloom_use_isa(instruction_sets()[name])
    try:
        yield
    finally:
        found.omniloom_use_isa(before)


@cache
def is_native() -> bool:
    """Whether operators of torch run natively; the first call loads the library and applies $OMNILOOM_ISA."""
    chosen = chosen_instruction_set()
    found = library() if chosen != REFERENCE else None
    if found is None:
        return False
    found.omniloom_use_isa(instruction_sets()[chosen])
    return True
