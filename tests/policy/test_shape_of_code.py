"""The house rules that a machine can check: sizes, floors, docstrings, names of places, and declared markers."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "omniloom"

MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 60
MAX_FOLDER_FILES = 12

SOURCES = sorted(PACKAGE.rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
OTHERS = [
    path
    for folder in ("benchmarks", "examples", "docs")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in (".py", ".md") and "site" not in path.parts
]
TEXTS = [
    path
    for pattern in ("*.py", "*.md", "*.toml", "*.yml", "*.cpp", "*.h", "*.js", "*.html", "*.css", "Makefile")
    for path in sorted([*ROOT.glob(pattern), *PACKAGE.rglob(pattern), *(ROOT / "tests").rglob(pattern)])
]

SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", [*SOURCES, *TESTS], ids=named)
def test_files_and_functions_fit(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= MAX_FILE_LINES, f"{named(path)} is longer than {MAX_FILE_LINES} lines; split it"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            length = node.end_lineno - node.lineno + 1
            assert length <= MAX_FUNCTION_LINES, f"{named(path)}: {node.name} has {length} lines; split it"


@pytest.mark.parametrize("path", [path for path in SOURCES if path.name != "__init__.py"], ids=named)
def test_files_open_by_saying_why_they_exist(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), f"{named(path)} has no docstring"


def test_folders_stay_small() -> None:
    for folder in {path.parent for path in SOURCES}:
        files = [path.name for path in folder.glob("*.py") if path.name != "__init__.py"]
        assert len(files) <= MAX_FOLDER_FILES, f"{named(folder)} has {len(files)} Python files; give some a folder"


@pytest.mark.parametrize(
    "path", [path for path in SOURCES if path.name == "__init__.py" and path.parent != PACKAGE], ids=named
)
def test_package_files_only_list_public_names(path: Path) -> None:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        is_list = isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        is_list = is_list and node.targets[0].id == "__all__"  # type: ignore[attr-defined]
        assert is_docstring or is_list or isinstance(node, ast.ImportFrom), f"{named(path)} does more than list names"
        if isinstance(node, ast.ImportFrom) and node.module != "__future__":
            assert all(alias.asname == alias.name for alias in node.names), f"{named(path)}: write `X as X`"


def test_every_folder_of_sources_is_a_package() -> None:
    for folder in {path.parent for path in SOURCES}:
        assert (folder / "__init__.py").is_file(), f"{named(folder)} has no __init__.py, so a wheel would lack it"


def test_nothing_names_the_place_where_it_was_written() -> None:
    # Put together here, so that this file does not match itself.
    places = ["/wo" + "rk/", "../sh" + "ared", "/tmp/pl" + "an", "/ho" + "me/"]
    for path in {*TEXTS, *OTHERS}:
        text = path.read_text(encoding="utf-8")
        for place in places:
            assert place not in text, f"{named(path)} mentions {place}"


def test_every_marker_is_declared_and_left_out_by_default() -> None:
    options = SETTINGS["tool"]["pytest"]["ini_options"]
    declared = {line.partition(":")[0] for line in options["markers"]}
    built_in = {"parametrize", "skipif", "skip", "xfail", "filterwarnings", "usefixtures"}
    used = {mark for path in TESTS for mark in re.findall(r"pytest\.mark\.(\w+)", path.read_text(encoding="utf-8"))}
    assert used <= declared | built_in, f"undeclared markers: {used - declared - built_in}"
    default = " ".join(options["addopts"])
    assert all(f"not {name}" in default for name in declared)


def test_packages_import_only_from_floors_below() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-3000:]


def test_the_floors_are_those_that_contributing_shows() -> None:
    shown = re.findall(r"^\| (\d+) \| (.+?) \|", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.MULTILINE)
    page = [set(re.findall(r"`(\w+)`", packages)) for _, packages in shown]
    (contract,) = SETTINGS["tool"]["importlinter"]["contracts"]
    assert page == [set(re.findall(r"\w+", layer)) for layer in contract["layers"]]
