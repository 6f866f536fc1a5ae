"""Public data sets: taken from a local mirror, from the cache, or downloaded once with a checksum.

None of them is shipped. `$OMNILOOM_DATA` names a folder with one subfolder for each set; what is not there is
downloaded from its public address into `$OMNILOOM_CACHE` (by default `~/.cache/omniloom`). A download is hashed as it
arrives and unpacked beside its place, then renamed, so that a set is whole or not there. Of a set too large to be taken
whole, single files are downloaded, each whole or not there.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import tarfile
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from omniloom.core.progress import Progress

_CHUNK_BYTES = 1 << 16
_TIMEOUT_S = 30


@dataclass(frozen=True, kw_only=True)
class PublicSource:
    """Where a data set comes from: a tar archive that holds it, in one top folder or as it lies."""

    name: str
    url: str
    sha256: str
    num_bytes: int


@dataclass(frozen=True, kw_only=True)
class PublicFiles:
    """Where single files of a large set come from: an address under which each lies by its path.

    `remedy` says how to do without the set.
    """

    name: str
    url: str
    version: str
    max_bytes: int
    remedy: str


def data_folder(source: PublicSource) -> Path:
    """The folder of a data set, downloaded first where it is neither mirrored nor cached.

    Raises:
        ValueError: If it cannot be downloaded or is not what it should be; the message says what to do.
    """
    mirror = mirror_folder()
    if mirror and (mirror / source.name).is_dir():
        return mirror / source.name
    # The digest in the name keeps another release of the same set from being taken for this one.
    folder = cache_folder() / f"{source.name}-{source.sha256[:12]}"
    if not folder.is_dir():
        _download(source, folder)
    return folder


def is_at_hand(source: PublicSource | PublicFiles) -> bool:
    """Whether a set is on this machine, so that using it downloads nothing; of single files, whether any is."""
    mirror = mirror_folder()
    release = source.sha256[:12] if isinstance(source, PublicSource) else source.version
    folders = [mirror / source.name] if mirror else []
    return any(folder.is_dir() for folder in (*folders, cache_folder() / f"{source.name}-{release}"))


def read_files(source: PublicFiles, checksums: Mapping[str, str]) -> dict[str, bytes]:
    """The content of files by path, each taken from the mirror, else the cache, else downloaded first.

    Raises:
        ValueError: If one cannot be downloaded or has another sha256; the message says what to do.
    """
    mirror = mirror_folder()
    folders = [mirror / source.name] if mirror else []
    folders.append(cache_folder() / f"{source.name}-{source.version}")
    places = {path: next((f / path for f in folders if (f / path).is_file()), None) for path in checksums}
    missing = [path for path, place in places.items() if place is None]
    if missing:
        with Progress(f"downloading {source.name}", total=len(missing), unit="file") as progress:
            for path in missing:
                places[path] = folders[-1] / path
                _download_file(source, path, checksums[path], folders[-1] / path)
                progress.advance(1)
    found = {path: place.read_bytes() for path, place in places.items() if place is not None}
    for path, data in found.items():
        if (digest := hashlib.sha256(data).hexdigest()) != checksums[path]:
            raise ValueError(
                f"{places[path]} has the checksum {digest}, expected {checksums[path]}; replace it, {source.remedy}"
            )
    return found


def mirror_folder() -> Path | None:
    """The folder of data sets that are on this machine already, None where none is named.

    Raises:
        ValueError: If what is named is no folder, for everything would be downloaded without a word.
    """
    named = os.environ.get("OMNILOOM_DATA")
    if named and not Path(named).is_dir():
        raise ValueError(f"$OMNILOOM_DATA is {named}, which is no folder; name one that is there, or unset it")
    return Path(named) if named else None


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
        inside = list(unpacked.iterdir())
        top = inside[0] if len(inside) == 1 and inside[0].is_dir() else unpacked
        try:
            top.rename(folder)
        except OSError:
            # Another process was faster; its copy has the same checksum.
            if not folder.is_dir():
                raise


def _download_file(source: PublicFiles, path: str, sha256: str, place: Path) -> None:
    """One file, renamed into its place when it is whole."""
    url = f"{source.url}/{path}"
    data = b"".join(_chunks(url, source.max_bytes, source.name, f", {source.remedy}"))
    if (digest := hashlib.sha256(data).hexdigest()) != sha256:
        raise ValueError(
            f"{url} has the checksum {digest}, expected {sha256}; try again, put the data into "
            f"$OMNILOOM_DATA/{source.name}, {source.remedy}"
        )
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=place.parent, prefix=f".{place.name}-", delete=False) as file:
        file.write(data)
    Path(file.name).replace(place)


def _fetch(source: PublicSource, path: Path) -> str:
    """Write what the address holds to `path`; the sha256 of it."""
    digest = hashlib.sha256()
    with (
        path.open("wb") as file,
        Progress(f"downloading {source.name}", total=source.num_bytes, unit="byte") as progress,
    ):
        for chunk in _chunks(source.url, source.num_bytes, source.name):
            digest.update(chunk)
            file.write(chunk)
            progress.advance(len(chunk))
    return digest.hexdigest()


def _chunks(url: str, max_bytes: int, name: str, remedy: str = "") -> Iterator[bytes]:
    """What an address holds, of a set of that name, as it arrives."""
    num_bytes = 0
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as response:
            while chunk := response.read(_CHUNK_BYTES):
                num_bytes += len(chunk)
                if num_bytes > max_bytes:
                    raise ValueError(f"{url} is larger than the {max_bytes} bytes that it should have")
                yield chunk
    except (OSError, http.client.HTTPException) as error:
        raise ValueError(
            f"{url} could not be downloaded ({error}); connect to the network, or put the data into a folder "
            f"{name} and name its parent in $OMNILOOM_DATA{remedy}"
        ) from error
