"""A part imports without the rest: each imports in a fresh process, and what it pulls in is looked at."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import omniloom

PACKAGES = sorted(path.parent.name for path in Path(omniloom.__file__).parent.glob("*/__init__.py"))

REPORT = """
import json, sys, threading
import {name}
print(json.dumps({{"modules": sorted(sys.modules), "threads": threading.active_count()}}))
"""


def imported(name: str) -> dict:
    """What is loaded after `import name`, warnings being errors as in every test."""
    code = REPORT.format(name=name)
    result = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_the_root_loads_no_part_of_itself_and_no_library() -> None:
    modules = imported("omniloom")["modules"]
    assert [name for name in modules if name.startswith("omniloom")] == ["omniloom"]
    assert not {"torch", "numpy", "rich"} & set(modules)


def test_core_loads_no_torch() -> None:
    modules = imported("omniloom.core")["modules"]
    floors = {name.split(".")[1] for name in modules if name.startswith("omniloom.")}
    assert floors == {"core"}
    assert not {"torch", "rich", "safetensors", "tokenizers"} & set(modules)


def test_kernels_load_core_and_torch_only() -> None:
    modules = imported("omniloom.kernels")["modules"]
    floors = {name.split(".")[1] for name in modules if name.startswith("omniloom.")}
    assert floors <= {"core", "kernels"}
    assert not {"rich", "tokenizers", "soundfile", "PIL"} & set(modules)


def test_importing_starts_no_threads() -> None:
    assert imported(", ".join(f"omniloom.{name}" for name in PACKAGES))["threads"] == 1


def test_the_public_names_are_there() -> None:
    for name in omniloom.__all__:
        assert getattr(omniloom, name) is not None
    assert dir(omniloom) == omniloom.__all__
    with pytest.raises(AttributeError, match="it offers Audio, "):
        omniloom.Vidio  # noqa: B018
