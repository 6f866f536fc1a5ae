"""Conversations in WebDataset shards: tar files, each sample a chat with its sounds, pictures and videos beside it.

    chats-000000.tar
        000000.json     a chat in the shape of `chat_files`, which names its media: {"path": "000000.wav"}
        000000.wav
        000001.json
        000001.before.png
        000001.after.png

A sample's members share a key: their name up to the first dot after the last slash; the rest is the extension, as the
`webdataset` library splits names. A chat names its media by their place in the shard, or by extension alone (".wav").
The shard is indexed once and then read where it stands: any sample in any order, nothing unpacked, so no name in it
can reach a file outside. Rejected: `webdataset` itself, which reads in sequence only and would end at a torn header as
if the shard were whole; compressed tars, which have no random access.
"""

from __future__ import annotations

import io
import os
import posixpath
import re
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, count, islice
from pathlib import Path

from omniloom.data.chat_files import Conversation, all_good, chat_json, parse_chat, require_small

CHAT = "json"
SAMPLES_PER_SHARD = 1000
_NAME = re.compile(r"((?:.*/)?[^./][^./]*)\.([^/]+)")
_META = re.compile(r"__[^/]*__(?:/.*)?")
"""Names that `webdataset` keeps for its own notes."""


@dataclass(frozen=True)
class Member:
    """Where a file's bytes stand in a shard."""

    start: int
    num_bytes: int


@dataclass(frozen=True)
class Sample:
    """One chat of a shard, by its key."""

    shard: Shard
    key: str

    @property
    def place(self) -> str:
        return f"{self.shard.path}:{self.key}"

    def read(self) -> bytes:
        """The chat's JSON."""
        try:
            return self.shard.read(f"{self.key}.{CHAT}")
        except ValueError as error:
            raise ValueError(f"{self.place}: {error}") from error

    def conversation(self) -> Conversation:
        """The chat with its media.

        Raises:
            ValueError: If it is bad, named by shard and key.
        """
        return parse_chat(self.read(), media=self._find, place=self.place)

    def _find(self, name: str) -> bytes:
        """The bytes of the member of that name, or of the sample's own member with that extension."""
        path = posixpath.normpath(name)
        if path.startswith(("/", "../")) or path == "..":
            raise ValueError(f"path {name!r} leads out of the shard; name a member of it, as in '{self.key}.wav'")
        for member in (_lowered(path), f"{self.key}.{name.removeprefix('.').lower()}"):
            if member in self.shard.members:
                return self.shard.read(member)
        own = ", ".join(sorted(member for member in self.shard.members if member.startswith(f"{self.key}.")))
        raise ValueError(f"the shard has no member {name!r}; the sample has {own}")


@dataclass(frozen=True, eq=False)
class Shard:
    """A tar file and where its members stand, by names with a small extension; made by `open`, which it outlives."""

    path: Path
    members: dict[str, Member] = field(repr=False)

    @classmethod
    def open(cls, path: str | Path) -> Shard:
        """Index a shard; its headers are read and no contents.

        Raises:
            ValueError: If it is torn or no tar file, or a member's name leads out of it or comes twice.
            FileNotFoundError: If there is no such file.
        """
        path = Path(path)
        members: dict[str, Member] = {}
        try:
            with tarfile.open(path, "r:") as tar:
                for info in tar:
                    _add(members, info)
                _require_end(path, tar.offset)
        except tarfile.TarError as error:
            raise ValueError(
                f"{path} is torn, or no uncompressed tar file ({error}); copy it again, or write it with tar -cf"
            ) from error
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        return cls(path, members)

    @cached_property
    def samples(self) -> tuple[Sample, ...]:
        """The chats, in the order of the shard.

        Raises:
            ValueError: If a sample has media and no chat.
        """
        keys: dict[str, str] = {}
        for name in self.members:
            key, extension = _key_and_extension(name)
            if keys.get(key) != CHAT:
                keys[key] = extension
        for key, extension in keys.items():
            if extension != CHAT:
                raise ValueError(
                    f"{self.path}:{key}: the sample has {key}.{extension} and no {key}.{CHAT}; add its chat to the "
                    "shard, or leave the sample out"
                )
        return tuple(Sample(self, key) for key in keys)

    def read(self, name: str) -> bytes:
        """A member's bytes.

        Raises:
            ValueError: If it is too large, or the shard was cut short since it was indexed.
        """
        member = self.members[name]
        require_small(name, member.num_bytes)
        with self.path.open("rb") as file:
            file.seek(member.start)
            data = file.read(member.num_bytes)
        if len(data) < member.num_bytes:
            raise ValueError(f"member {name!r} is cut short: the shard changed while it was in use; copy it again")
        return data


def read_shard(path: str | Path) -> list[Conversation]:
    """Every conversation of a shard.

    Raises:
        ValueError: If samples are bad: one message each, by shard and key, the first `MAX_REPORTED` of them.
        FileNotFoundError: If there is no such file.
    """
    return all_good(iterate_shard(path), name="samples")


def iterate_shard(path: str | Path) -> Iterator[Conversation | ValueError]:
    """Each sample's conversation, or what is wrong with it."""
    for sample in Shard.open(path).samples:
        try:
            yield sample.conversation()
        except ValueError as error:
            yield error


def write_shards(
    folder: str | Path, conversations: Iterable[Conversation], *, samples_per_shard: int = SAMPLES_PER_SHARD
) -> list[Path]:
    """Write conversations as `chats-000000.tar` and on; the paths written. A shard appears whole or not at all.

    Text and pictures come back exactly, sound to 16 bits; keys count through all shards.
    """
    if samples_per_shard < 1:
        raise ValueError(f"samples_per_shard must be at least 1, got {samples_per_shard}")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    keys = count()
    paths = []
    waiting = iter(conversations)
    for number, first in enumerate(waiting):
        path = folder / f"chats-{number:06d}.tar"
        partial = path.with_suffix(".partial")
        with tarfile.open(partial, "w") as tar:
            for chat in chain([first], islice(waiting, samples_per_shard - 1)):
                _write_sample(tar, f"{next(keys):06d}", chat)
        partial.replace(path)
        paths.append(path)
    return paths


def _write_sample(tar: tarfile.TarFile, key: str, chat: Conversation) -> None:
    media: dict[str, bytes] = {}

    def keep(data: bytes, suffix: str) -> str:
        name = f"{key}.{len(media)}{suffix}"
        media[name] = data
        return name

    text = chat_json(chat, keep=keep).encode()
    for name, data in {f"{key}.{CHAT}": text, **media}.items():
        info = tarfile.TarInfo(name)
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))


def _add(members: dict[str, Member], info: tarfile.TarInfo) -> None:
    """Take a member up; folders, links, hidden files and the library's own notes are passed over."""
    name = posixpath.normpath(info.name)
    if info.size < 0:  # tarfile would go back and read the same headers for ever
        raise ValueError(f"member {info.name!r} claims {info.size} bytes; write the shard again")
    if not info.isreg() or _META.fullmatch(name) or not _NAME.fullmatch(name):
        return
    if name.startswith(("/", "../")):
        raise ValueError(f"member {info.name!r} leads out of the shard; write names without a leading / or ..")
    if info.issparse():
        raise ValueError(f"member {info.name!r} is sparse; write the shard without --sparse")
    name = _lowered(name)
    if name in members:
        raise ValueError(f"member {info.name!r} comes twice; give every sample a key of its own")
    members[name] = Member(info.offset_data, info.size)


def _lowered(name: str) -> str:
    """The name with its extension in small letters, in which `webdataset` knows them; as it is if it has none."""
    match = _NAME.fullmatch(name)
    return f"{match[1]}.{match[2].lower()}" if match else name


def _key_and_extension(name: str) -> tuple[str, str]:
    match = _NAME.fullmatch(name)
    assert match is not None, f"{name} was taken up without a key"
    return match[1], match[2]


def _require_end(path: Path, offset: int) -> None:
    """A tar file ends with an empty block; tarfile itself takes any unreadable header for the end."""
    with path.open("rb") as file:
        file.seek(offset)
        block = file.read(tarfile.BLOCKSIZE)
    if len(block) < tarfile.BLOCKSIZE or any(block):
        size = os.path.getsize(path)
        raise ValueError(f"the shard is torn at byte {offset:,} of {size:,}; copy it or write it again")
