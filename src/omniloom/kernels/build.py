"""Compile the native operators into one shared library, `_native.so`, beside this file.

The set-up runs this file by its path, before the package can be imported, so it needs only the standard library. The
library has a plain C interface and is loaded with ctypes: it is tied to no version of Python or torch, which a torch
C++ extension would be. A digest of the sources is compiled in, so that a library older than its sources is noticed.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
LIBRARY = HERE / "_native.so"
COMMON_FLAGS = ("-std=c++17", "-O3", "-fPIC", "-fvisibility=hidden", "-fno-exceptions", "-fno-rtti", "-Wall", "-Wextra")
X86_FLAGS = {
    "avx2": ("-mavx2", "-mfma"),
    "avx512": ("-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512dq", "-mavx2", "-mfma", "-mprefer-vector-width=512"),
}
"""What the file of each instruction set is compiled with; every other file gets the processor's baseline."""


def sources() -> list[Path]:
    return sorted(HERE.glob("*/*.cpp"))


def digest() -> str:
    """Sixteen hexadecimal digits that change with any native source or flag."""
    found = hashlib.sha256(repr((COMMON_FLAGS, X86_FLAGS)).encode())
    for path in sorted([*sources(), *HERE.glob("*/*.h")]):
        found.update(path.name.encode() + path.read_bytes())
    return found.hexdigest()[:16]


def compiler() -> str | None:
    """$CXX, or the first of c++, g++ and clang++ that is installed."""
    names = [os.environ["CXX"]] if os.environ.get("CXX") else ["c++", "g++", "clang++"]
    return next((found for name in names if (found := shutil.which(name))), None)


def build(library: Path = LIBRARY) -> Path:
    """Compile and link; the library appears whole or not at all.

    Raises:
        RuntimeError: If there is no compiler, or it fails; the message holds what it said.
    """
    program = compiler()
    if program is None:
        raise RuntimeError("no C++ compiler found; install g++ or clang++, or set CXX")
    is_x86 = platform.machine().lower() in ("x86_64", "amd64")
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        objects = []
        for source in sources():
            if source.stem in X86_FLAGS and not is_x86:
                continue
            objects.append(str(Path(folder) / f"{source.parent.name}_{source.stem}.o"))
            flags = [*COMMON_FLAGS, *X86_FLAGS.get(source.stem, ()), f'-DOMNILOOM_DIGEST="{digest()}"']
            _run([program, *flags, "-c", str(source), "-o", objects[-1]])
        finished = Path(folder) / library.name
        _run([program, "-shared", "-o", str(finished), *objects, "-lm"])
        os.replace(finished, library)
    return library


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr}")


if __name__ == "__main__":
    print(build(Path(sys.argv[1]) if len(sys.argv) > 1 else LIBRARY))
