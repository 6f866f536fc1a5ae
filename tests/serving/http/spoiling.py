"""Requests to fuzz endpoints with: those that schemathesis makes of the OpenAPI document, and spoilt copies of them.

Hypothesis takes 20 to 150 ms to make one request of the document, and the server a few to answer it. So of each one
made, many copies are spoilt in their fields or bytes, which costs next to nothing, and they go further than the
document does: real pictures, sounds and films stand in them, whole and torn. Requests are given to the application
directly, without a socket, several at a time.
"""

from __future__ import annotations

import asyncio
import base64
import copy
import io
import json
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import numpy as np
import requests
from PIL import Image as PillowImage

from omniloom.serving.sounds import write_sound

HOST = "http://localhost"
App = Callable[..., Any]
Field = tuple[str, tuple[str | None, Any]]
"""Of a form: its name, and a file's name with what is in it."""


@dataclass(frozen=True)
class Asked:
    """One request; of its three bodies it has one or none."""

    method: str
    path: str
    json: Any = None
    form: tuple[Field, ...] = ()
    raw: bytes | None = None
    content_type: str | None = None

    def http(self) -> requests.PreparedRequest:
        """As it goes over the wire."""
        request = requests.Request(self.method, HOST + self.path)
        if self.raw is not None:
            request.data, request.headers = self.raw, {"Content-Type": self.content_type or "application/json"}
        elif self.form:
            request.files = list(self.form)
        else:
            request.data, request.headers = json.dumps(self.json), {"Content-Type": "application/json"}
        prepared = request.prepare()
        if self.content_type is not None:
            prepared.headers["Content-Type"] = self.content_type
        return prepared


@dataclass(frozen=True)
class Answered:
    status: int
    content_type: str
    body: bytes


def asked_by(case: Any) -> Asked:
    """A case of schemathesis as a request."""
    sent = case.as_transport_kwargs(base_url=HOST)
    path = str(requests.Request(sent["method"], sent["url"], params=sent.get("params")).prepare().url)
    asked = Asked(sent["method"], path.removeprefix(HOST))
    if sent.get("files"):
        return replace(asked, form=tuple(sent["files"]))
    if isinstance(sent.get("data"), str | bytes):
        data = sent["data"]
        return replace(asked, raw=data.encode() if isinstance(data, str) else data)
    return replace(asked, json=sent.get("json"))


class Direct:
    """An application that is asked on an event loop of its own."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._loop = asyncio.new_event_loop()

    def ask(self, *asked: Asked) -> list[Answered]:
        """The answers to requests that come at once."""
        return self._loop.run_until_complete(self._answers(asked))

    def close(self) -> None:
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    async def _answers(self, asked: Sequence[Asked]) -> list[Answered]:
        return list(await asyncio.gather(*(self._answer(one) for one in asked)))

    async def _answer(self, asked: Asked) -> Answered:
        prepared = asked.http()
        body = prepared.body if isinstance(prepared.body, bytes) else (prepared.body or "").encode()
        path, _, query = asked.path.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": asked.method,
            "scheme": "http",
            "path": requests.utils.unquote(path),
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(b"host", b"localhost"), *_headers(prepared.headers)],
            "client": ("127.0.0.1", 1),
            "server": ("localhost", 80),
        }
        parts: list[MutableMapping[str, Any]] = []
        given = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> dict[str, Any]:
            if given:
                return given.pop()
            await asyncio.Event().wait()  # this client stays
            raise AssertionError

        async def send(message: MutableMapping[str, Any]) -> None:
            parts.append(message)

        await self._app(scope, receive, send)
        kinds = [value for name, value in parts[0]["headers"] if name.lower() == b"content-type"]
        whole = b"".join(part.get("body", b"") for part in parts[1:])
        return Answered(parts[0]["status"], kinds[0].decode() if kinds else "", whole)


def _headers(headers: MutableMapping[str, Any]) -> Iterator[tuple[bytes, bytes]]:
    for name, value in headers.items():
        data = value if isinstance(value, bytes) else str(value).encode("latin-1", "replace")
        yield name.lower().encode(), data


class Spoiler:
    """Spoils requests; what is spoilt how follows from the seed and the order."""

    def __init__(self, seed: str, others: Sequence[Asked]) -> None:
        """Pieces of `others` go into those that are spoilt."""
        self._random = Random(seed)
        self._others = others
        self._media = list(media())
        self._values = [*_ODD, *(_uri(kind, data) for kind, data in self._media), *map(_base64, self._media)]

    def spoil(self, asked: Asked) -> Asked:
        """A copy that differs in one to three places."""
        is_of_bytes = asked.raw is not None or self._random.random() < 0.2
        spoil = self._spoil_bytes if is_of_bytes else self._spoil_form if asked.form else self._spoil_json
        for _ in range(self._random.choice((1, 1, 2, 3))):
            asked = spoil(asked)
        return asked

    def _spoil_json(self, asked: Asked) -> Asked:
        whole = copy.deepcopy(asked.json)
        places = list(_places(whole))
        if not places:
            return replace(asked, json=self._value())
        holder, key = self._random.choice(places)
        way = self._random.randrange(6)
        if way == 0:
            del holder[key]
        elif way == 1 and isinstance(holder, dict):
            holder[self._random.choice((*_NAMES, "unknown"))] = self._value()
        elif way == 1:
            holder[key : key + 1] = [holder[key]] * self._random.choice((2, 20, 300))
        elif way == 2:
            there, place = self._random.choice(places)
            holder[key] = copy.deepcopy(there[place])
        else:
            holder[key] = self._value()
        return replace(asked, json=whole)

    def _spoil_form(self, asked: Asked) -> Asked:
        fields = [field for field in asked.form if field[1][1] != "null" or self._random.random() < 0.2]
        place = self._random.randrange(len(fields) + 1)
        way = self._random.randrange(4)
        if way == 0 and place < len(fields):
            del fields[place]
        elif way == 1:
            name = self._random.choice(("image", "image[]", "file"))
            kind, data = self._random.choice(self._media)
            fields.insert(place, (name, (f"a.{kind[-3:]}", data)))
        elif way == 2:
            fields.insert(place, ("model", (None, "tiny")))
        else:
            name = self._random.choice([*_NAMES, *(name for name, _ in fields)])
            fields.insert(place, (name, (None, self._as_text(self._value()))))
        return replace(asked, form=tuple(fields) or (("model", (None, "tiny")),))

    def _spoil_bytes(self, asked: Asked) -> Asked:
        prepared = asked.http()
        whole = prepared.body if isinstance(prepared.body, bytes) else (prepared.body or "").encode()
        start, stop = sorted(self._random.randrange(len(whole) + 1) for _ in range(2))
        way = self._random.randrange(5)
        if way == 0:
            spoilt = whole[:start] + whole[stop:]
        elif way == 1:
            noise = self._random.choice((self._random.randbytes(3), b"[" * 5_000, b'{"a":' * 5_000, b"\\ud800", b'"'))
            spoilt = whole[:start] + noise + whole[start:]
        elif way == 2:
            spoilt = whole[:stop] + whole[start:]
        elif way == 3:
            other = self._random.choice(self._others).http().body or b""
            spoilt = whole[:start] + (other if isinstance(other, bytes) else other.encode()) + whole[stop:]
        else:
            spoilt = whole
        content_type = str(prepared.headers.get("Content-Type", "application/json"))
        if way == 4 or self._random.random() < 0.1:
            content_type = self._random.choice(_CONTENT_TYPES)
        return replace(asked, raw=spoilt, json=None, form=(), content_type=content_type)

    def _value(self) -> Any:
        return copy.deepcopy(self._random.choice(self._values))

    @staticmethod
    def _as_text(value: Any) -> str:
        text = value if isinstance(value, str) else json.dumps(value)
        return text.encode("utf-8", "replace").decode()


def media() -> Iterator[tuple[str, bytes]]:
    """Small files by their media type, each whole and torn."""
    random = np.random.default_rng(0)
    samples = (0.3 * np.sin(np.arange(12_000) * 0.1)).astype(np.float32)
    whole = [(f"audio/{kind}", write_sound(samples, 24_000, kind)) for kind in ("wav", "mp3", "opus")]  # type: ignore[arg-type]
    for kind in ("PNG", "JPEG", "WEBP", "GIF"):
        buffer = io.BytesIO()
        frames = [PillowImage.fromarray(random.integers(0, 256, (32, 48, 3), np.uint8)) for _ in range(3)]
        options = {} if kind == "JPEG" else {"save_all": True, "append_images": frames[1:], "duration": 100}
        frames[0].save(buffer, kind, **options)
        whole.append((f"image/{kind.lower()}", buffer.getvalue()))
    for name, data in whole:
        yield name, data
        yield name, data[: len(data) // 2]
        place = len(data) // 3
        yield name, data[:place] + random.bytes(8) + data[place + 8 :]


def _uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _base64(found: tuple[str, bytes]) -> str:
    return base64.b64encode(found[1]).decode()


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a JSON value, as what holds it and the key or number there."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])


def _nested(depth: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(depth):
        found = [found]
    return found


_ODD: list[Any] = [
    *(None, True, False, -1, 0, 1, 7, 2**63, -(2**63) - 1, 10**40, 0.5, 1e308, float("nan"), float("inf")),
    *(
        "",
        " ",
        "tiny",
        "\x00",
        "\ud800",
        "\u00e9\U0001f600",
        "a" * 5_000,
        "data:image/png;base64,",
        "http://127.0.0.1/",
    ),
    *([], {}, [[]] * 50, _nested(60), {"": {}}, {"type": "text", "text": "a"}, {"role": "user", "content": "go"}),
    *("user", "assistant", "audio", ["text", "audio"], ["image"], "wav", "png", "resp_0", {"type": "json_object"}),
]
_NAMES = (
    "model",
    "n",
    "stream",
    "seed",
    "audio",
    "modalities",
    "tools",
    "tool_choice",
    "response_format",
    "stop",
    "size",
)
_CONTENT_TYPES = (
    "application/json",
    "application/json; charset=utf-16",
    "text/plain",
    "multipart/form-data",
    "multipart/form-data; boundary=",
    "multipart/form-data; boundary=x",
    "application/x-www-form-urlencoded",
    "\u00e9",
)
