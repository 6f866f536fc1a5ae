"""Loads the native library and says which instruction sets it offers here.

`OMNILOOM_ISA` forces one (avx512, avx2, portable), so that tests reach each of them on one machine. Where the library
is missing, older than its sources, or asked not to be used (`OMNILOOM_ISA=reference`), the torch reference serves:
several times slower, equal in result, and said so once by a warning unless it was asked for.
"""

from __future__ import annotations

import ctypes
import os
import warnings
from functools import cache

from omniloom.kernels import build

REFERENCE = "reference"
REMEDY = "run `make setup` (a C++ compiler is needed), or `python -m omniloom.kernels.build`"


@cache
def library() -> ctypes.CDLL | None:
    """The native library, or None where it was not built or does not fit its sources; then a warning says so."""
    if not build.LIBRARY.exists():
        warnings.warn(f"native operators are not built, the slow torch reference serves; {REMEDY}", stacklevel=2)
        return None
    found = ctypes.CDLL(str(build.LIBRARY))
    found.omniloom_digest.restype = ctypes.c_char_p
    found.omniloom_isa_name.restype = ctypes.c_char_p
    found.omniloom_workspace_size.restype = ctypes.c_int64
    found.omniloom_workspace_size.argtypes = (ctypes.c_void_p, ctypes.c_int32, ctypes.c_int32)
    found.omniloom_decode_step.restype = ctypes.c_void_p
    if build.sources() and found.omniloom_digest().decode() != build.digest():
        warnings.warn(
            f"native operators are older than their sources, the torch reference serves; {REMEDY}", stacklevel=2
        )
        return None
    return found


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
    return names


def chosen_instruction_set() -> str:
    """What a decoder made now will use: $OMNILOOM_ISA, else the best there is, else "reference".

    Raises:
        ValueError: If $OMNILOOM_ISA names one that this machine does not offer.
    """
    forced = os.environ.get("OMNILOOM_ISA", "")
    if forced == REFERENCE:
        return REFERENCE
    offered = instruction_sets()
    if forced and forced not in offered:
        raise ValueError(f"OMNILOOM_ISA={forced} is not offered here; use one of {', '.join([*offered, REFERENCE])}")
    return forced or next(iter(offered), REFERENCE)
