"""Kinds of codec by name: a codec's folder says its kind, and the class registered under it reads the folder.

A codec from elsewhere registers with the decorator `codec_kinds.register("my_codec")`, in a module that is imported
before a folder is read. Where nobody's code imports it, as in the `omniloom` command and its worker processes, an
installed package names it as an entry point of the group `omniloom.codecs`. A class named by the folder itself was
rejected: a checkpoint that came from elsewhere must not choose what is imported.
"""

from __future__ import annotations

import json
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from omniloom.core.registry import Registry
from omniloom.stream.vocabulary import Modality

CONFIG_FILE = "config.json"
ENTRY_POINTS = "omniloom.codecs"

codec_kinds: Registry[type[Any]] = Registry("kind of codec")
"""Classes by kind; see `codecs.base` for what one of each modality offers."""


def kind_of(folder: str | Path, modality: Modality) -> str:
    """The kind that a codec's folder says; `text_codec`, `audio_codec` or `image_codec` where it says none.

    Raises:
        ValueError: If the folder holds no codec.
    """
    path = Path(folder) / CONFIG_FILE
    try:
        kind = json.loads(path.read_text(encoding="utf-8")).get("kind", f"{modality}_codec")
    except (OSError, ValueError, AttributeError) as error:
        raise ValueError(f"{folder} holds no {modality} codec ({error}); give the folder of a saved one") from error
    return str(kind)


def require_kind(folder: str | Path, found: object, *, kind: str, name: str) -> None:
    """Refuse a folder whose config.json says another kind than the class that reads it.

    Raises:
        ValueError: Naming both.
    """
    if found != kind:
        raise ValueError(f"{folder} holds no {name}: its {CONFIG_FILE} says kind {found!r}, not {kind!r}")


def codec_class(kind: str) -> type[Any]:
    """The class registered under a kind, here or by an installed package.

    Raises:
        ValueError: If there is none, naming the nearest and how one is registered.
    """
    if kind not in codec_kinds:
        for point in entry_points(group=ENTRY_POINTS, name=kind):
            codec_kinds.add(kind, point.load())
    try:
        return codec_kinds.get(kind)
    except ValueError as error:
        raise ValueError(
            f"{error} (a codec of one's own must be imported before its folder is read, or be installed as an entry "
            f"point of {ENTRY_POINTS})"
        ) from error
