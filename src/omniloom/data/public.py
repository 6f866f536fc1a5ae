"""Public data sets: taken from a local mirror, from the cache, or downloaded once with a checksum.

None of them is shipped. `$OMNILOOM_DATA` names a folder with one subfolder for each set; what is not there is
downloaded from its public address into `$OMNILOOM_CACHE` (by default `~/.cache/omniloom`). A download is hashed as it
arrives and unpacked beside its place, then renamed, so that a set is whole or not there.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import tarfile
import tempfile
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from omniloom.core.progress import Progress

_CHUNK_BYTES = 1 << 16
_TIMEOUT_S = 30


@dataclass(frozen=True, kw_only=True)
class PublicSource:
    """Where a data set comes from: a tar archive whose one top folder holds it."""

    name: str
    url: str
    sha256: str
    num_bytes: int


def data_folder(source: PublicSource) -> Path:
    """The folder of a data set, downloaded first where it is neither mirrored nor cached.

    Raises:
        ValueError: If it cannot be downloaded or is not what it should be; the message says what to do.
    """
    mirror = os.environ.get("OMNILOOM_DATA")
    if mirror and (Path(mirror) / source.name).is_dir():
        return Path(mirror) / source.name
    # The digest in the name keeps another release of the same set from being taken for this one.
    folder = cache_folder() / f"{source.name}-{source.sha256[:12]}"
    if not folder.is_dir():
        _download(source, folder)
    return folder


def cache_folder() -> Path:
    """Where downloads are kept between runs."""
    return Path(os.environ.get("OMNILOOM_CACHE") or Path.home() / ".cache" / "omniloom")


def _download(source: PublicSource, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{source.name}-") as place:
        archive = Path(place) / "archive"
        digest = _fetch(source, archive)
        if digest != source.sha256:
            raise ValueError(
                f"{source.url} has the checksum {digest}, expected {source.sha256}; try again, or put the data into "
                f"$OMNILOOM_DATA/{source.name}"
            )
        unpacked = Path(place) / "unpacked"
        with tarfile.open(archive) as tar:
            tar.extractall(unpacked, filter="data")
        [top] = unpacked.iterdir()
        try:
            top.rename(folder)
        except OSError:
            # Another process was faster; its copy has the same checksum.
            if not folder.is_dir():
                raise


def _fetch(source: PublicSource, path: Path) -> str:
    """Write what the address holds to `path`; the sha256 of it."""
    digest = hashlib.sha256()
    try:
        with (
            urllib.request.urlopen(source.url, timeout=_TIMEOUT_S) as response,
            path.open("wb") as file,
            Progress(f"downloading {source.name}", total=source.num_bytes, unit="byte") as progress,
        ):
            while chunk := response.read(_CHUNK_BYTES):
                digest.update(chunk)
                file.write(chunk)
                progress.advance(len(chunk))
                if progress.done > source.num_bytes:
                    raise ValueError(f"{source.url} is larger than the {source.num_bytes} bytes that it should have")
    except (OSError, http.client.HTTPException) as error:
        raise ValueError(
            f"{source.url} could not be downloaded ({error}); connect to the network, or put the data into a folder "
            f"{source.name} and name its parent in $OMNILOOM_DATA"
        ) from error
    return digest.hexdigest()
