"""The standard library's own source as code to learn from: on every machine, well written, of a known licence.

It is read where Python lies and never copied: Python's licence (PSF-2.0) allows that and more, and each file may hold
notices of its own. Tests, vendored packages and generated tables are left out. Documents are pieces of modules, cut
between lines, of which the first part is the prompt and the rest goes on from it; and functions, whose signature and
docstring are the prompt and whose body the reply, as HumanEval asks for them.
"""

from __future__ import annotations

import ast
import sys
import sysconfig
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from omniloom.core.randomness import generator
from omniloom.data.texts import TextExample

LICENCE = "PSF-2.0 (docs.python.org/3/license.html); read in place, not copied"

LEFT_OUT = ("test", "tests", "idlelib", "idle_test", "lib2to3", "turtledemo", "ensurepip", "__pycache__", "encodings")
"""Tests, applications, vendored archives and tables."""

MAX_FILE_CHARS = 400_000


def stdlib_files() -> list[Path]:
    """The library's modules, in the order of their names."""
    home = Path(sysconfig.get_path("stdlib"))
    found = []
    for name in sorted(sys.stdlib_module_names):
        own = home / name
        paths = sorted(own.rglob("*.py")) if own.is_dir() else [own.with_suffix(".py")]
        found += [path for path in paths if path.is_file() and not set(path.relative_to(home).parts) & {*LEFT_OUT}]
    return found


def stdlib_sources(*, num_files: int | None = None) -> list[str]:
    """The texts of the first modules, or of all; tabs as four spaces."""
    texts = (path.read_text(encoding="utf-8", errors="replace") for path in stdlib_files()[:num_files])
    return [text.expandtabs(4) for text in texts if len(text) <= MAX_FILE_CHARS]


def stdlib_examples(*, max_chars: int, sources: Sequence[str], seed: int = 0) -> list[TextExample]:
    """Pieces of modules, and functions that fit, each of at most `max_chars` characters."""
    found: list[TextExample] = []
    for number, source in enumerate(sources):
        found += pieces(source, max_chars=max_chars, random=generator("stdlib", seed, number))
        found += [own for own in functions(source) if len(own.prompt) + len(own.reply) <= max_chars]
    return found


def pieces(source: str, *, max_chars: int, random: np.random.Generator) -> Iterator[TextExample]:
    """A module in pieces of whole lines; each is parted at a random line, and a line too long ends a piece."""
    lines: list[str] = []
    for line in [*source.splitlines(keepends=True), None]:
        length = sum(map(len, lines))
        if lines and (line is None or length + len(line) > max_chars):
            cut = int(random.integers(len(lines)))
            prompt, reply = "".join(lines[:cut]), "".join(lines[cut:])
            if reply.strip():
                yield TextExample(prompt=prompt, reply=reply, is_cut=line is not None, task="module")
            lines = []
        if line is not None and len(line) <= max_chars:
            lines.append(line)


def functions(source: str) -> Iterator[TextExample]:
    """Functions with a docstring, their indentation taken off: signature and docstring, then the body."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a module's own invalid escapes are no concern of ours
        tree = ast.parse(source)
    lines = source.splitlines(keepends=True)
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef) or ast.get_docstring(node) is None or len(node.body) < 2:
            continue
        words, first, last = node.body[0], node.body[1], node.end_lineno
        # Decorators stand above the signature, and a body on the docstring's line cannot be parted from it.
        if words.end_lineno is None or first.lineno <= words.end_lineno or node.lineno > words.lineno:
            continue
        margin = node.col_offset
        own = [line[margin:] if not line[:margin].strip() else line for line in lines[node.lineno - 1 : last]]
        head = words.end_lineno - node.lineno + 1
        yield TextExample(prompt="".join(own[:head]), reply="".join(own[head:]), task="stdlib function")
