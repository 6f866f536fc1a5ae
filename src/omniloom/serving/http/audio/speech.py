"""`/v1/audio/speech`: a text said aloud, sent in any format while it is generated."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Response
from fastapi import Request as HttpRequest
from fastapi.responses import StreamingResponse
from pydantic import Field

from omniloom.generation import Omni, Usage
from omniloom.serving.http.asking import UNUSED_HEADER
from omniloom.serving.http.audio.saying import Saying
from omniloom.serving.http.bodies import body_route
from omniloom.serving.http.errors import ERRORS, ApiError
from omniloom.serving.http.media import to_base64
from omniloom.serving.http.models import require_model
from omniloom.serving.http.wire import Answer, ModelName, Request, Voice, streamed, voice_name
from omniloom.serving.http.work import ModelWork, begun, events_of, while_connected
from omniloom.serving.realtime.limits import Limits
from omniloom.serving.sounds import FORMATS, WRITTEN_HZ, SoundFormat, SoundWriter
from omniloom.serving.voices import MAX_SPEED, MIN_SPEED, SpokenVoice, require_voice

MAX_TEXT_CHARS = 4_096


class SpeechRequest(Request):
    """What `audio.speech.create` sends."""

    input: Annotated[str, Field(min_length=1, max_length=MAX_TEXT_CHARS)]
    model: ModelName
    voice: Voice
    instructions: Annotated[str | None, Field(max_length=4_096, description="Taken and not used.")] = None
    response_format: SoundFormat = "mp3"
    speed: Annotated[float, Field(ge=MIN_SPEED, le=MAX_SPEED)] = 1.0
    stream_format: Literal["sse", "audio"] = "audio"


class SpeechUsage(Answer):
    input_tokens: int
    output_tokens: int
    total_tokens: int


class SpeechAudioDelta(Answer):
    """More of the file, in base64."""

    type: Literal["speech.audio.delta"] = "speech.audio.delta"
    audio: str


class SpeechAudioDone(Answer):
    """The file is whole."""

    type: Literal["speech.audio.done"] = "speech.audio.done"
    usage: SpeechUsage


RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The sound file as it is made, or with `stream_format` sse its pieces as events.",
        "content": {
            **{how.media_type: {"schema": {"type": "string", "format": "binary"}} for how in FORMATS.values()},
            **streamed("SpeechAudioDelta"),
        },
    },
    **ERRORS,
}


@dataclass(frozen=True)
class _Written:
    data: bytes
    usage: Usage | None


class SpeechJob:
    """A text to pieces of a sound file."""

    def __init__(self, saying: Saying, request: SpeechRequest) -> None:
        self._saying = saying
        self._request = request

    def run(self) -> Iterator[_Written]:
        voice: SpokenVoice | None = None
        writer = SoundWriter(self._request.response_format)
        for said in self._saying.run():
            if voice is None:
                name = voice_name(self._request.voice)
                voice = SpokenVoice(name, self._request.speed, from_hz=said.rate_hz, to_hz=WRITTEN_HZ)
            yield _Written(writer.push(voice.push(said.samples)), said.usage)
        if voice is not None:
            yield _Written(writer.push(voice.flush()) + writer.finish(), None)

    def cancel(self) -> None:
        self._saying.cancel()


def speech_routes(omni: Omni, *, model_name: str, limits: Limits, work: ModelWork) -> APIRouter:
    """`POST /audio/speech`."""
    router = APIRouter(route_class=body_route(max_values=limits.json_values))

    @router.post("/audio/speech", responses=RESPONSES, response_class=Response, operation_id="createSpeech")
    async def create_speech(body: SpeechRequest, request: HttpRequest) -> Response:
        """Say a text."""
        require_model(body.model, model_name)
        try:
            require_voice(voice_name(body.voice))
        except ValueError as error:
            raise ApiError(str(error), code="invalid_value", param="voice") from error
        try:
            saying = Saying(omni, body.input, max_tokens=limits.response_tokens)
        except ValueError as error:
            raise ApiError(str(error), code="invalid_value", param="input") from error
        pieces = await while_connected(request, begun(work.stream(SpeechJob(saying, body))))
        headers = {UNUSED_HEADER: "instructions"} if body.instructions else None
        if body.stream_format == "sse":
            return StreamingResponse(
                events_of(_events(pieces), ends_with=None), media_type="text/event-stream", headers=headers
            )
        media_type = FORMATS[body.response_format].media_type
        return StreamingResponse(_bytes(pieces), media_type=media_type, headers=headers)

    return router


async def _bytes(pieces: AsyncGenerator[_Written, None]) -> AsyncIterator[bytes]:
    async with aclosing(pieces):
        async for piece in pieces:
            if piece.data:
                yield piece.data


async def _events(pieces: AsyncGenerator[_Written, None]) -> AsyncIterator[tuple[None, str]]:
    num_read = num_said = 0
    async with aclosing(pieces):
        async for piece in pieces:
            if piece.usage is not None:
                num_read += piece.usage.prompt_tokens
                num_said += piece.usage.reply_tokens
            if piece.data:
                yield None, SpeechAudioDelta(audio=to_base64(piece.data)).model_dump_json()
    usage = SpeechUsage(input_tokens=num_read, output_tokens=num_said, total_tokens=num_read + num_said)
    yield None, json.dumps(SpeechAudioDone(usage=usage).model_dump())
