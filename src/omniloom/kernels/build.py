"""Compile the native operators into one shared library, `_native.so`, beside this file.

    python -m omniloom.kernels
    python -m omniloom.kernels --sanitize address,undefined --out build/sanitized.so
    OMNILOOM_NATIVE=build/sanitized.so LD_PRELOAD="$(g++ -print-file-name=libasan.so)" pytest tests/kernels

CMakeLists.txt says how; this runs it, for a folder of sources that is used in place. It is also run by its path, before
the package can be imported, so it needs only the standard library, and cmake and ninja beside it. A digest of the
sources is compiled in, so that a library older than its sources is noticed.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
LIBRARY = Path(os.environ.get("OMNILOOM_NATIVE", HERE / "_native.so"))


def sources() -> list[Path]:
    """All that decides what the library is; empty where only the library was installed."""
    return sorted(path for pattern in ("*.cpp", "*.h", "*.inc") for path in HERE.glob(f"*/{pattern}"))


def digest() -> str:
    """Sixteen hexadecimal digits that change with any native source or flag."""
    found = hashlib.sha256()
    for path in [HERE / "CMakeLists.txt", *sources()]:
        found.update(path.relative_to(HERE).as_posix().encode() + path.read_bytes())
    return found.hexdigest()[:16]


def torch_folder() -> Path:
    """Where torch is installed, found without importing it."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        raise RuntimeError("torch is not installed here; install it first (make setup does)")
    return Path(spec.origin).parent


def build(library: Path = LIBRARY, *, sanitize: str = "") -> Path:
    """Configure, compile and link; the library appears whole or not at all.

    Raises:
        RuntimeError: If a tool or torch is missing, or the compiler fails; the message holds what it said.
    """
    torch_folder()
    cmake = _tool("cmake")
    library.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        options = ["-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={_tool('ninja')}", f"-DPython_EXECUTABLE={sys.executable}"]
        if sanitize:
            options.append(f"-DOMNILOOM_SANITIZE={sanitize}")
        _run([cmake, "-S", str(HERE), "-B", folder, *options])
        _run([cmake, "--build", folder])
        finished = library.with_name(f".{library.name}.{os.getpid()}")
        shutil.copy(Path(folder) / "_native.so", finished)
        os.replace(finished, library)
    return library


def _tool(name: str) -> str:
    """A program beside this Python, where its wheel puts it, or else on the path."""
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        raise RuntimeError(f"{name} was not found; run `pip install {name}`")
    return found


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=LIBRARY, help="default: beside the sources, where it is looked for")
    parser.add_argument("--sanitize", default="", metavar="A,B", help="as in -fsanitize=")
    parser.add_argument("--optional", action="store_true", help="where it cannot be built, say so and succeed")
    parser.add_argument("--describe", action="store_true", help="print torch's folder and the digest, for CMake")
    options = parser.parse_args()
    if options.describe:
        print(f"{torch_folder()};{digest()}")
        return
    try:
        print(build(options.out.resolve(), sanitize=options.sanitize))
    except RuntimeError as error:
        if not options.optional:
            sys.exit(f"omniloom: {error}")
        print(f"omniloom: native operators are left out, slower torch code serves instead: {error}", file=sys.stderr)


if __name__ == "__main__":
    main()
