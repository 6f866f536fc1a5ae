"""What one core can do at most, measured beside what is measured: reading memory once, and multiplying in registers.

The loops are compiled for this very processor, in a folder that is gone afterwards; without a compiler there are none.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

from torch import Tensor

COUNT = 20_000
"""Times that a loop runs in a call: a tenth of a millisecond or more, so that the call itself does not count."""


@cache
def _library() -> ctypes.CDLL | None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "roofs.so"
        command = [
            os.environ.get("CXX", "c++"),
            "-O3",
            "-march=native",
            "-mprefer-vector-width=512",
            "-shared",
            "-fPIC",
        ]
        try:
            subprocess.run([*command, "-o", str(path), str(Path(__file__).with_suffix(".cpp"))], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"missing: roofs: {error}")
            return None
        found = ctypes.CDLL(str(path))
    found.read_bytes.argtypes = (ctypes.c_void_p, ctypes.c_int64)
    for name in ("multiply_f32", "multiply_bf16", "multiply_int8"):
        getattr(found, name).argtypes, getattr(found, name).restype = (ctypes.c_int64,), ctypes.c_double
    return found


def reading(memory: Tensor) -> Callable[[], None] | None:
    """Reads the bytes of a tensor from one end to the other, and does nothing with them."""
    library = _library()
    return None if library is None else lambda: library.read_bytes(memory.data_ptr(), memory.nbytes)


def multiplying(number: str) -> tuple[Callable[[], None], float] | None:
    """Products of "f32", "bf16" or "int8" added up in registers, and how many operations a call does."""
    library = _library()
    if library is None:
        return None
    multiply = getattr(library, f"multiply_{number}")
    num_operations = multiply(1) * COUNT
    return (lambda: multiply(COUNT), num_operations) if num_operations else None
