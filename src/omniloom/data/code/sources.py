"""Where the published problems come from: single public files with their checksums, and JSON lines that may be torn."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omniloom.data.public import PublicFiles, read_files

MAX_BYTES = 8 * 2**20
REMEDY = "or choose other problems with --problems"

HUMAN_EVAL_COMMIT = "6d43fb980f9fee3c892a914eda09951f772ad10d"
HUMAN_EVAL = PublicFiles(
    name="human-eval",
    url=f"https://raw.githubusercontent.com/openai/human-eval/{HUMAN_EVAL_COMMIT}",
    version=HUMAN_EVAL_COMMIT[:12],
    max_bytes=MAX_BYTES,
    remedy=REMEDY,
)
HUMAN_EVAL_FILE = (
    "data/HumanEval.jsonl.gz",
    "b796127e635a67f93fb35c04f4cb03cf06f38c8072ee7cee8833d7bee06979ef",
)

MBPP_COMMIT = "b72752a0ba5989d3c212675ec60d3eedcd838628"
MBPP = PublicFiles(
    name="mbpp",
    url=f"https://raw.githubusercontent.com/OckBench/OckBench/{MBPP_COMMIT}/data",
    version=MBPP_COMMIT[:12],
    max_bytes=MAX_BYTES,
    remedy=REMEDY,
)
MBPP_FILE = ("mbpp.jsonl", "ccf64ceae9c5403bf50a044cb6d505bfd2a2963ee58338ba268fd65beab92a9f")


def public_rows(source: PublicFiles, file: tuple[str, str]) -> list[dict[str, Any]]:
    """The objects of a published file, given as path and sha256.

    Raises:
        ValueError: If it is missing and cannot be downloaded, or is damaged.
    """
    path, checksum = file
    return rows_of(read_files(source, {path: checksum})[path], name=path)


def file_rows(path: str | Path) -> list[dict[str, Any]]:
    """The objects of a file of one's own, JSON lines or those packed by gzip.

    Raises:
        ValueError: If it cannot be read, or is torn.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error}); give a file of problems as JSON lines") from error
    return rows_of(data, name=str(path))


def rows_of(data: bytes, *, name: str) -> list[dict[str, Any]]:
    """The objects of JSON lines; gzip is told by how the data begin."""
    if data[:2] == b"\x1f\x8b":
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(f"{name} is torn ({error}); download it again") from error
    found: list[dict[str, Any]] = []
    for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ValueError(f"{name} is broken at line {number} ({error}); download it again") from error
        if not isinstance(row, dict):
            raise ValueError(f"{name} holds no object at line {number}; give problems as JSON lines")
        found.append(row)
    if not found:
        raise ValueError(f"{name} holds no problem; download it again")
    return found


def fields_of(row: dict[str, Any], names: Sequence[str], *, file: str) -> list[Any]:
    """The values of a problem's fields.

    Raises:
        ValueError: If one is missing.
    """
    if missing := [name for name in names if name not in row]:
        told = row.get("task_id", "?")
        raise ValueError(f"problem {told} of {file} has no {', '.join(missing)}; see that the file is what it says")
    return [row[name] for name in names]
