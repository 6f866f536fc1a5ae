"""The OpenAPI document: FastAPI's own, with what it cannot know.

FastAPI knows the types of requests and of whole answers. It does not know what is in a stream, for which OpenAPI 3.1
has no word either: the types of streamed events are added as components, and the answers that stream point there.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from omniloom.serving.http.audio.speech import SpeechAudioDelta, SpeechAudioDone
from omniloom.serving.http.audio.transcriptions import TranscriptTextDelta, TranscriptTextDone
from omniloom.serving.http.chat.wire import ChatChunk
from omniloom.serving.http.images import CompletedImage, PartialImage

REF = "#/components/schemas/{model}"
STREAMED: tuple[type[BaseModel], ...] = (
    ChatChunk,
    CompletedImage,
    PartialImage,
    SpeechAudioDelta,
    SpeechAudioDone,
    TranscriptTextDelta,
    TranscriptTextDone,
)

FORM, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"

DESCRIPTION = (
    "Text, sound, pictures and films in; text, speech and pictures out; in the types of OpenAI's interface. "
    "Fields that are not listed are refused by name. With API keys in use, send one as a bearer token."
)


def describe(app: FastAPI) -> None:
    """Let an application serve its document at `/openapi.json`."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def _document(app: FastAPI) -> dict[str, Any]:
    made = get_openapi(title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes)
    _, streamed = models_json_schema([(model, "serialization") for model in STREAMED], ref_template=REF)
    schemas = made.setdefault("components", {}).setdefault("schemas", {})
    for name, schema in streamed.get("$defs", {}).items():
        schemas.setdefault(name, schema)
    _as_multipart(made)
    made["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    made["security"] = [{"key": []}, {}]
    return made


def _as_multipart(made: dict[str, Any]) -> None:
    """Forms with files are multipart; FastAPI sees only files that are parameters of their own."""
    for operations in made["paths"].values():
        for operation in operations.values():
            content = operation.get("requestBody", {}).get("content", {})
            if FORM in content:
                content[MULTIPART] = content.pop(FORM)
