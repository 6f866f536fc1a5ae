"""Requests that are right in every field, several for each endpoint, with what else the endpoint takes: to be spoilt.

What is made of a document alone seldom gets far: its texts are no pictures, and of many fields each is right alone.
"""

from __future__ import annotations

import base64
from itertools import product
from typing import Any

from tests.serving.http.spoiling import Asked, media

FILES = dict(reversed(list(media())))  # of each kind the first, which is whole
SCHEMA = {
    "type": "object",
    "properties": {"colour": {"enum": ["red", "green"]}, "sizes": {"type": "array", "items": {"enum": [1, 2]}}},
    "required": ["colour"],
    "additionalProperties": False,
}
PAINT = {"name": "paint", "parameters": SCHEMA, "strict": True}


def uri_of(kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(FILES[kind]).decode()}"


SOUND = base64.b64encode(FILES["audio/wav"]).decode()
TALK: list[dict[str, Any]] = [
    {"role": "system", "content": "Be brief."},
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "What colour is the circle?"},
            {"type": "image_url", "image_url": {"url": uri_of("image/png"), "detail": "low"}},
            {"type": "input_audio", "input_audio": {"data": SOUND, "format": "wav"}},
            {"type": "file", "file": {"file_data": uri_of("image/jpeg"), "filename": "a.jpg"}},
            {"type": "video_url", "video_url": {"url": uri_of("image/gif")}},
        ],
    },
    {
        "role": "assistant",
        "content": "red",
        "images": [{"type": "image_url", "image_url": {"url": uri_of("image/png")}}],
    },
    {"role": "user", "content": "And its shape?", "name": "me"},
]
CHATS: list[dict[str, Any]] = [
    {"messages": TALK, "n": 2, "seed": 7, "temperature": 1.5, "top_p": 0.9, "stop": ["a", "b"], "max_tokens": 3},
    {
        "messages": TALK[1:2],
        "stream": True,
        "stream_options": {"include_usage": True},
        "logprobs": True,
        "top_logprobs": 3,
    },
    {
        "messages": TALK[3:],
        "modalities": ["text", "audio"],
        "audio": {"voice": "loom", "format": "mp3"},
        "stream": True,
    },
    {"messages": TALK[3:], "modalities": ["text", "audio"], "audio": {"voice": {"id": "loom-low"}, "format": "wav"}},
    {"messages": TALK[3:], "modalities": ["text", "image"]},
    {"messages": TALK[3:], "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA}}},
    {"messages": TALK[3:], "tools": [{"type": "function", "function": PAINT}], "tool_choice": "required"},
]
COMPLETED: list[dict[str, Any]] = [
    {"prompt": ["What is 2 plus 3?", "go"], "n": 2, "seed": 7, "temperature": 1.5, "top_p": 0.9, "stop": ["a", "b"]},
    {"prompt": [[3, 4], [5]], "echo": True, "logprobs": 2, "max_tokens": 2, "stream": True},
    {"prompt": "go five", "echo": True, "logprobs": 0, "max_tokens": 0, "reply_at": 2},
    {"prompt": [3, 4, 5], "stream": True, "stream_options": {"include_usage": True}, "best_of": 1, "user": "me"},
]
GIVEN: list[dict[str, Any]] = [
    {
        "type": "message",
        "role": "user",
        "content": [
            {"type": "input_text", "text": "What colour is the circle?"},
            {"type": "input_image", "image_url": uri_of("image/webp"), "detail": "auto"},
            {"type": "input_file", "file_data": uri_of("audio/mp3"), "filename": "a.mp3"},
        ],
    },
    {"type": "function_call", "call_id": "call_1", "name": "paint", "arguments": '{"colour": "red"}'},
    {"type": "function_call_output", "call_id": "call_1", "output": "done"},
]
RESPONSES: list[dict[str, Any]] = [
    {"input": GIVEN, "max_output_tokens": 3, "temperature": 1.5, "seed": 7, "metadata": {"a": "b"}},
    {
        "input": GIVEN[:1],
        "stream": True,
        "include": ["message.output_text.logprobs"],
        "top_logprobs": 2,
        "store": False,
    },
    {"input": "go", "text": {"format": {"type": "json_schema", "name": "a", "schema": SCHEMA}}},
    {"input": "go", "tools": [{"type": "function", **PAINT}], "tool_choice": {"type": "function", "name": "paint"}},
]
SPOKEN: list[dict[str, Any]] = [
    {"input": "seven apple", "voice": voice, "response_format": format, "stream_format": stream_format, "speed": 1.5}
    for (format, voice), stream_format in product(
        (("mp3", "loom"), ("wav", {"id": "alloy"}), ("opus", "loom-high"), ("pcm", "loom")), ("audio", "sse")
    )
]
DRAWN: list[dict[str, Any]] = [
    {"prompt": "draw a red circle", "n": 2, "size": "100x50", "output_format": "jpeg", "output_compression": 50},
    {"prompt": "draw a red circle", "output_format": "gif", "frame_count": 3, "frame_duration_ms": 100, "seed": 7},
    {"prompt": "draw a red circle", "stream": True, "partial_images": 2, "temperature": 1.5},
]
EMBEDDED: list[dict[str, Any]] = [
    {"input": ["a red circle", "seven"], "encoding_format": "base64"},
    {"input": "a red circle", "encoding_format": "float", "user": "me"},
]


def _form(file: str, kind: str, **fields: Any) -> Asked:
    path = "/v1/images/edits" if file.startswith("image") else "/v1/audio/transcriptions"
    values = {"model": "tiny", **fields}
    parts = [(file, (f"a.{kind[-3:]}", FILES[kind])), *((name, (None, str(value))) for name, value in values.items())]
    return Asked("POST", path, form=tuple(parts))


RIGHT: dict[str, list[Asked]] = {
    path: [Asked("POST", path, {"model": "tiny", **body}) for body in bodies]
    for path, bodies in {
        "/v1/chat/completions": CHATS,
        "/v1/completions": COMPLETED,
        "/v1/responses": RESPONSES,
        "/v1/audio/speech": SPOKEN,
        "/v1/images/generations": DRAWN,
        "/v1/embeddings": EMBEDDED,
    }.items()
}
RIGHT["/v1/images/edits"] = [
    _form("image", "image/png", prompt="make it blue", n=2, size="100x50"),
    _form("image[]", "image/webp", prompt="make it blue", output_format="webp", output_compression=40),
    _form("image[]", "image/jpeg", prompt="make it blue", stream="true", partial_images=1),
]
RIGHT["/v1/audio/transcriptions"] = [
    _form("file", "audio/wav", response_format="verbose_json", language="fr", temperature=0.5),
    _form("file", "audio/mp3", stream="true", prompt="a", **{"include[]": "logprobs"}),
    _form("file", "audio/opus", response_format="srt", **{"chunking_strategy[type]": "server_vad"}),
    _form("file", "audio/wav", response_format="vtt", chunking_strategy='{"type": "server_vad", "threshold": 0.2}'),
]
