"""Folders that are whole or not there: how checkpoints, codecs and data shards are written and trusted.

A writer fills a temporary sibling; its files are hashed into `manifest.json`, flushed to disk, and the folder renamed.
A crash leaves the sibling, never half a checkpoint. Reading compares the manifest with the files, so a copy that broke
off and a folder of somebody else's are both refused before anything is loaded. Marking completion by an empty file was
rejected: it tells nothing of a file cut short afterwards.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MANIFEST = "manifest.json"
FORMAT = "omniloom-folder"
VERSION = 1


@dataclass(frozen=True, kw_only=True)
class FileEntry:
    """What the manifest says of one file."""

    num_bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The files of a complete folder, by their paths inside it."""

    files: dict[str, FileEntry]

    @property
    def num_bytes(self) -> int:
        return sum(entry.num_bytes for entry in self.files.values())


def write_folder(path: str | Path, writer: Callable[[Path], object]) -> Path:
    """Let `writer` fill a folder, and put it at `path` whole; what stood there before is replaced.

    Raises:
        ValueError: If `path` holds something that is not one of our folders, which is never deleted.
    """
    path = Path(path)
    partial = path.parent / f".{path.name}.partial"
    replaced = path.parent / f".{path.name}.replaced"
    if replaced.exists() and not path.exists():
        replaced.rename(path)  # a writer was killed between its two renames
    if path.is_dir() and not any(path.iterdir()):
        path.rmdir()
    if path.exists():
        _refuse_foreign(path)
    for left_over in (partial, replaced):
        if left_over.exists():
            shutil.rmtree(left_over)
    partial.mkdir(parents=True)
    try:
        writer(partial)
        _write_manifest(partial)
        _open_to_the_same_readers(partial)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    # Two renames: a folder cannot be renamed over a full one. Between them the old one stands under `.replaced`.
    if path.exists():
        path.rename(replaced)
    partial.rename(path)
    _flush(path.parent)
    if replaced.exists():
        shutil.rmtree(replaced)
    return path


def _open_to_the_same_readers(folder: Path) -> None:
    """Give every file the permissions of the manifest: safetensors lets only the owner read what it writes."""
    mode = (folder / MANIFEST).stat().st_mode & 0o777
    for path in _files_of(folder):
        path.chmod(mode)


def read_manifest(path: str | Path, *, is_thorough: bool = True) -> Manifest:
    """What a folder holds, after making sure that it is ours and whole.

    `is_thorough=False` compares sizes only, for folders of many gigabytes.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If the folder is foreign (no manifest of ours) or torn (a file missing, cut short or changed).
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no checkpoint folder {path}")
    _refuse_foreign(path)
    data = _parse_manifest(path)
    if data.get("version") != VERSION:
        version = data.get("version")
        raise ValueError(f"{path} is of version {version}, this omniloom reads {VERSION}; use the one that wrote it")
    files = _parse_files(path, data)
    for name, entry in files.items():
        _check_file(path, name, entry, is_thorough=is_thorough)
    return Manifest(files=files)


def latest(folder: str | Path) -> Path | None:
    """The newest complete checkpoint in a folder of them, or None; each torn one on the way is warned about.

    Newest goes by the last number in the name (`step-1200`), not by file times, which copying changes.
    """
    for path in reversed(_numbered(Path(folder))):
        try:
            read_manifest(path)
        except ValueError as error:
            warnings.warn(f"{error}; taking the checkpoint before it", stacklevel=2)
        else:
            return path
    return None


def keep_newest(folder: str | Path, *, num_kept: int) -> None:
    """Delete all but the newest checkpoints; folders of other kinds stay."""
    if num_kept < 1:
        raise ValueError(f"num_kept must be at least 1, got {num_kept}")
    paths = [path for path in _numbered(Path(folder)) if (path / MANIFEST).is_file()]
    for path in paths[:-num_kept]:
        shutil.rmtree(path)


def _numbered(folder: Path) -> list[Path]:
    """Visible subfolders, oldest first."""
    if not folder.is_dir():
        return []

    def key(path: Path) -> tuple[int, str]:
        numbers = re.findall(r"\d+", path.name)
        return (int(numbers[-1]) if numbers else -1, path.name)

    return sorted((p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")), key=key)


def _files_of(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path != folder / MANIFEST:
            yield path


def _write_manifest(folder: Path) -> None:
    files = {}
    for path in _files_of(folder):
        name = path.relative_to(folder).as_posix()
        files[name] = {"bytes": path.stat().st_size, "sha256": _sha256(path)}
        _flush(path)
    text = json.dumps({"format": FORMAT, "version": VERSION, "files": files}, indent=1)
    (folder / MANIFEST).write_text(text + "\n")
    _flush(folder / MANIFEST)
    _flush(folder)


def _parse_manifest(path: Path) -> dict:
    try:
        data = json.loads((path / MANIFEST).read_text())
    except ValueError as error:
        raise ValueError(f"{path} is torn: its {MANIFEST} cannot be read ({error})") from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise ValueError(f"{path} was not written by omniloom; give a folder that one of its commands made")
    return data


def _parse_files(path: Path, data: dict[str, Any]) -> dict[str, FileEntry]:
    items = data.get("files")
    if not isinstance(items, dict):
        raise ValueError(f"{path} is torn: its {MANIFEST} lists no files; copy the folder again")
    files = {}
    for name, item in items.items():
        match item:
            case {"bytes": int(num_bytes), "sha256": str(sha256)}:
                files[name] = FileEntry(num_bytes=num_bytes, sha256=sha256)
            case _:
                raise ValueError(f"{path} is torn: its {MANIFEST} says {item!r} of {name}; copy the folder again")
    return files


def _refuse_foreign(path: Path) -> None:
    if not path.is_dir():
        raise ValueError(f"{path} is a file, not a checkpoint folder; give the folder that holds {MANIFEST}")
    if not (path / MANIFEST).is_file() and any(path.iterdir()):
        raise ValueError(f"{path} was not written by omniloom: it has no {MANIFEST}; give a checkpoint folder")
    if not (path / MANIFEST).is_file():
        raise ValueError(f"{path} is an empty folder, not a checkpoint; delete it or give another one")


def _check_file(folder: Path, name: str, entry: FileEntry, *, is_thorough: bool) -> None:
    path = folder / name
    if not path.is_file():
        raise ValueError(f"{folder} is torn: {name} is missing; copy the folder again or use an earlier checkpoint")
    size = path.stat().st_size
    if size != entry.num_bytes:
        raise ValueError(
            f"{folder} is torn: {name} has {size} of {entry.num_bytes} bytes; "
            "copy the folder again or use an earlier checkpoint"
        )
    if is_thorough and _sha256(path) != entry.sha256:
        raise ValueError(f"{folder} is torn: {name} was changed after it was written; copy it again")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush(path: Path) -> None:
    """Have the disk hold it, so that a power cut after the rename finds the contents as well as the name."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
