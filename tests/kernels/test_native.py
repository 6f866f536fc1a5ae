"""The native library: what it lists, which instruction set runs, and what serves where there is none."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import omniloom
from omniloom.kernels import build, chosen_instruction_set, native

KERNELS = Path(native.__file__).parent

# The finder of an editable install goes before PYTHONPATH.
NOT_INSTALLED = """
import sys
sys.meta_path = [finder for finder in sys.meta_path if "_editable" not in type(finder).__module__]
"""


def run_python(code: str, *, package: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    if package is not None:
        environment["OMNILOOM_NATIVE"] = str(package / "kernels" / "_native.so")
    source = str((package or Path(omniloom.__file__).parent).parent)
    return subprocess.run(
        [sys.executable, "-c", NOT_INSTALLED + code],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": source} | environment,
    )


def test_every_operator_lists_its_kernels() -> None:
    folders = {path.parent.name for path in KERNELS.glob("*/kernels.inc")}
    assert set(native.kernels()) == folders
    assert all(native.kernels().values())
    assert list(native.operators()) == sorted(path.parent.name for path in KERNELS.glob("*/operator.cpp"))


def test_every_operator_has_a_version_for_each_instruction_set() -> None:
    for folder in {path.parent for path in KERNELS.glob("*/kernels.inc")}:
        assert {"portable.cpp", "avx2.cpp", "avx512.cpp", "reference.py"} <= {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("name", native.instruction_sets())
def test_the_environment_chooses_the_instruction_set(name: str) -> None:
    code = "import omniloom.kernels as k; from omniloom.kernels import native; native.is_native(); "
    done = run_python(code + "print(native.library().omniloom_isa_in_use())", OMNILOOM_ISA=name)
    assert int(done.stdout) == native.instruction_sets()[name], done.stderr


def test_forcing_ends_with_its_block() -> None:
    before = chosen_instruction_set()
    with native.forced("portable"):
        assert chosen_instruction_set() == "portable"
    assert chosen_instruction_set() == before


def test_an_unknown_instruction_set_names_those_there_are() -> None:
    done = run_python("from omniloom.kernels import native; native.is_native()", OMNILOOM_ISA="mmx")
    assert "OMNILOOM_ISA=mmx is not offered here; use one of" in done.stderr


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The package with its native sources, in a folder of its own."""
    package = tmp_path / "omniloom"
    for name in ("core", "kernels"):
        shutil.copytree(KERNELS.parent / name, package / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(KERNELS.parent / "__init__.py", package / "__init__.py")
    return package


SERVES = """
import torch
from omniloom.kernels import native
from omniloom.kernels.softmax.operator import softmax
x = torch.randn(3, 50)
assert torch.equal(softmax(x), x.softmax(-1))
print(native.chosen_instruction_set())
"""


@pytest.mark.parametrize("problem", ["are not built", "are older than their sources"])
def test_references_serve_where_there_is_no_library_that_fits(copied: Path, problem: str) -> None:
    if problem == "are not built":
        (copied / "kernels" / "_native.so").unlink()
    else:
        with (copied / "kernels" / "softmax" / "body.h").open("a") as file:
            file.write("// changed\n")
    done = run_python(SERVES, package=copied)
    assert done.stdout == "reference\n", done.stderr
    assert done.stderr.count(f"native operators {problem}") == 1
    assert "python -m omniloom.kernels" in done.stderr


def test_a_missing_compiler_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", str(tmp_path / "none"))
    with pytest.raises(RuntimeError, match="compiler"):
        build.build(tmp_path / "_native.so")
    assert list(tmp_path.iterdir()) == []
