"""A user's own conversations: JSON lines in the shape of OpenAI's chat messages, with sound, pictures and videos.

    {"messages": [
      {"role": "user", "content": [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "pictures/cat.png"}},
        {"type": "input_audio", "input_audio": {"path": "sounds/meow.wav"}}]},
      {"role": "assistant", "content": "a cat"}]}

Media are files beside the JSON lines, or base64 within them; sound and pictures of an assistant's message are written
like a user's. A video is a moving picture, with its sound beside it if it has any:

        {"type": "video_url", "video_url": {"url": "films/ball.gif", "sound": {"path": "films/ball.wav"}}}

Nothing is fetched from the network and no path leads out of the file's folder: a data file that came
from elsewhere must not read one's own. Each bad line is reported once, by file and line. The same chats may also stand
in tar files, media and all: see `chat_shards`.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any, Literal, TypeVar

from omniloom.stream.message import Message
from omniloom.stream.parts import Audio, Image, Part, Text, Video

MAX_REPORTED = 20
MAX_MEDIA_BYTES = 64 * 2**20

Media = Callable[[str], Path | bytes]
"""Finds the file that a chat names: its path, or its bytes. Raises ValueError where there is none or it may not be."""

S = TypeVar("S", Audio, Image, Video)

Keep = Callable[[bytes, str], str]
"""Stores a file's bytes under a name of its own with the given suffix, and gives the name."""


@dataclass(frozen=True, eq=False)
class Conversation:
    """Messages of user and assistant in turn; the last is the assistant's."""

    messages: tuple[Message, ...]

    def __post_init__(self) -> None:
        roles = [message.role for message in self.messages]
        if not roles or roles != ["user", "assistant"] * (len(roles) // 2):
            raise ValueError(f"messages must take turns, user first and assistant last, got {roles or 'none'}")


def read_chats(path: str | Path) -> list[Conversation]:
    """Every conversation of a file.

    Raises:
        ValueError: If lines are bad: one message each, by file and line, the first `MAX_REPORTED` of them.
        FileNotFoundError: If there is no such file.
    """
    return all_good((item for _, item in iterate_chats(path)), name="lines")


def iterate_chats(path: str | Path) -> Iterator[tuple[int, Conversation | ValueError]]:
    """Line numbers from 1, each with its conversation or what is wrong with it; empty lines are passed over."""
    path = Path(path)
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                yield number, parse_chat(line, media=files_in(path.parent), place=f"{path}:{number}")
            except ValueError as error:
                yield number, error


def all_good(items: Iterable[Conversation | ValueError], *, name: str) -> list[Conversation]:
    """The conversations, if all of them are.

    Raises:
        ValueError: If some are not: one message each, the first `MAX_REPORTED`, and how many more bad `name` there are.
    """
    found, errors = [], []
    for item in items:
        if isinstance(item, Conversation):
            found.append(item)
        else:
            errors.append(str(item))
    if errors:
        rest = len(errors) - MAX_REPORTED
        raise ValueError("\n".join([*errors[:MAX_REPORTED], *([f"and {rest} more bad {name}"] if rest > 0 else [])]))
    return found


def parse_chat(line: str | bytes, *, media: Media, place: str) -> Conversation:
    """The conversation of one line; `media` finds the files that it names, errors begin with `place`.

    Raises:
        ValueError: If the line is not such a conversation, or its media cannot be read.
    """
    try:
        data = json.loads(line)
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{place}: not a line of JSON ({error})") from error
    try:
        messages = _field(data, "messages", list, "the line")
        return Conversation(tuple(_message(item, media) for item in messages))
    except (ValueError, OSError) as error:
        raise ValueError(f"{place}: {error}") from error


def write_chats(
    path: str | Path, conversations: Iterable[Conversation], *, media: Literal["inline", "files"] = "inline"
) -> None:
    """Write conversations that `read_chats` takes back: text, pictures and frames exactly, sound to 16 bits.

    With `media="files"` sounds, pictures and videos go into a folder `<name>.media` beside the file.
    """
    path = Path(path)
    folder = path.with_suffix(".media")
    with path.open("w", encoding="utf-8") as file:
        for number, conversation in enumerate(conversations):
            keep = None if media == "inline" else _keep_in(folder, number)
            file.write(chat_json(conversation, keep=keep) + "\n")


def chat_json(conversation: Conversation, *, keep: Keep | None = None) -> str:
    """A conversation as one line of JSON; `keep` stores its media, which otherwise stay within."""
    messages = [
        {"role": message.role, "content": [_part_data(part, keep) for part in message.parts]}
        for message in conversation.messages
    ]
    return json.dumps({"messages": messages}, ensure_ascii=False)


def _keep_in(folder: Path, number: int) -> Keep:
    """Writes one conversation's media into a folder, numbered."""
    places = count()

    def keep(data: bytes, suffix: str) -> str:
        folder.mkdir(exist_ok=True)
        path = folder / f"{number:06d}-{next(places):02d}{suffix}"
        path.write_bytes(data)
        return f"{folder.name}/{path.name}"

    return keep


def files_in(folder: Path) -> Media:
    """The files of a folder and those below it."""
    return lambda name: _inside(folder, name)


def _message(data: Any, media: Media) -> Message:
    role = _field(data, "role", str, "a message")
    if role not in ("user", "assistant"):
        raise ValueError(f"role must be 'user' or 'assistant', got {role!r}")
    content = data.get("content")
    if isinstance(content, str):
        return Message(role, (Text(content),))
    if not isinstance(content, list):
        raise ValueError(f"content must be text or a list of parts, got {_shown(content)}")
    return Message(role, tuple(_part(item, media) for item in content))


def _part(data: Any, media: Media) -> Part:
    kind = _field(data, "type", str, "a part")
    if kind == "text":
        return Text(_field(data, "text", str, "a text part"))
    if kind == "input_audio":
        return _sound(_field(data, "input_audio", dict, "an audio part"), media)
    if kind == "image_url":
        return _seen(Image, _field(data, "image_url", dict, "an image part"), media)
    if kind == "video_url":
        film = _field(data, "video_url", dict, "a video part")
        sound = _sound(_field(film, "sound", dict, "video_url"), media) if "sound" in film else None
        return replace(_seen(Video, film, media), sound=sound)
    raise ValueError(f"part type must be text, input_audio, image_url or video_url, got {kind!r}")


def _sound(data: Any, media: Media) -> Audio:
    if ("data" in data) == ("path" in data):
        raise ValueError("input_audio and sound must have either data (base64) or path, a file beside this one")
    if "data" in data:
        return Audio.open(_decoded(_field(data, "data", str, "sound")))
    return _opened(Audio, _field(data, "path", str, "sound"), media)


def _seen(kind: type[S], data: Any, media: Media) -> S:
    """The picture or video of an address, which is a file's name or has the bytes within."""
    url = _field(data, "url", str, "image_url" if kind is Image else "video_url")
    if not url.startswith("data:"):
        return _opened(kind, url, media)
    head, comma, body = url.partition(",")
    if not comma or not head.endswith(";base64"):
        raise ValueError(f"a data address must read data:image/...;base64,..., got {_shown(url)}")
    return kind.open(_decoded(body))


def _opened(kind: type[S], name: str, media: Media) -> S:
    require_local(name)
    source = media(name)
    try:
        return kind.open(source)
    except ValueError as error:
        if isinstance(source, Path):
            raise  # the path is in the message
        raise ValueError(f"{name!r}: {error}") from error


def _field(data: Any, name: str, kind: type[str] | type[list] | type[dict], where: str) -> Any:
    if not isinstance(data, Mapping):
        raise ValueError(f"{where} must be an object, got {_shown(data)}")
    if name not in data:
        raise ValueError(f"{where} has no {name!r}; it has {', '.join(map(repr, data)) or 'nothing'}")
    value = data[name]
    if not isinstance(value, kind):
        wanted = "text" if kind is str else "a list" if kind is list else "an object"
        raise ValueError(f"{name} must be {wanted}, got {_shown(value)}")
    return value


def require_local(name: str) -> None:
    """Refuse a name that no file can have, or that would have to be fetched."""
    if "://" in name:
        raise ValueError(f"nothing is fetched from the network; save {_shown(name)} beside the file and give its name")
    if "\0" in name:
        raise ValueError("a path may not hold a zero character")


def _inside(folder: Path, name: str) -> Path:
    """The file of that name, which must lie in the folder or below it."""
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise ValueError(f"path {name!r} leads out of {folder}; put the file there and give a relative path")
    if not path.is_file():
        raise ValueError(f"there is no file {name!r} in {folder}")
    require_small(name, path.stat().st_size)
    return path


def require_small(name: str, num_bytes: int) -> None:
    """Refuse a file that is larger than `MAX_MEDIA_BYTES`."""
    if num_bytes > MAX_MEDIA_BYTES:
        raise ValueError(f"{name!r} has {num_bytes:,} bytes, at most {MAX_MEDIA_BYTES:,} are taken")


def _decoded(text: str) -> bytes:
    if len(text) > MAX_MEDIA_BYTES * 4 // 3:
        raise ValueError(f"base64 data has {len(text):,} characters; save it as a file and give its path")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"data is not base64 ({error})") from error


def _part_data(part: Part, keep: Keep | None) -> dict[str, Any]:
    """The JSON of a part, its media kept elsewhere or within."""
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    if isinstance(part, Audio):
        return {"type": "input_audio", "input_audio": _sound_data(part, keep)}
    data = part.to_bytes("PNG")
    url = keep(data, ".png") if keep else f"data:image/png;base64,{base64.b64encode(data).decode()}"
    if isinstance(part, Image):
        return {"type": "image_url", "image_url": {"url": url}}
    sound = {"sound": _sound_data(part.sound, keep)} if part.sound else {}
    return {"type": "video_url", "video_url": {"url": url, **sound}}


def _sound_data(sound: Audio, keep: Keep | None) -> dict[str, str]:
    data = sound.to_bytes("WAV")
    source = {"path": keep(data, ".wav")} if keep else {"data": base64.b64encode(data).decode()}
    return {**source, "format": "wav"}


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
