"""`/v1/audio/transcriptions`: what is said in a file, as text, subtitles or segments, whole or as it is written."""

from __future__ import annotations

import json
import threading
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from fastapi import APIRouter, File, Form, UploadFile
from fastapi import Request as HttpRequest
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from omniloom.generation import Conversation, Done, Omni, Sampling, TextDelta
from omniloom.generation.rules import TextRules, TokenLogprob
from omniloom.serving.http.asking import UNUSED_HEADER
from omniloom.serving.http.audio.segments import RATE_HZ, Segment, speech_segments
from omniloom.serving.http.errors import ERRORS, ApiError, unsupported
from omniloom.serving.http.models import require_model
from omniloom.serving.http.wire import Answer, ModelName, streamed
from omniloom.serving.http.work import ModelWork, begun, collected, events_of, while_connected
from omniloom.serving.realtime.limits import Limits
from omniloom.serving.realtime.protocol import ServerVad
from omniloom.serving.sounds import read_sound
from omniloom.serving.transcribing import MAX_TEXT_TOKENS, question
from omniloom.stream.message import Message
from omniloom.stream.parts import Audio, Text

MAX_FILE_S = 600.0
"""Longest sound of one request: 38 MB once decoded."""

SILENCE_MS = 200
"""Silence to cut at unless the request says otherwise.

Of phrases with pauses of 0.3 to 1 s, by voices of training, the shipped model writes .95 of the words right where they
are cut at 128 or 200 ms, and .91 at 500 ms, where short pauses join them (n = 133 words;
`benchmarks/evaluation/said_and_heard.py --split train --count 48 --only heard --silence-ms 128 200 500`).
"""

CHUNKING = "`auto`, or `server_vad` as JSON; official clients send its fields one by one, as `chunking_strategy[…]`."
OutputFormat = Literal["json", "text", "srt", "verbose_json", "vtt"]


class TranscriptionForm(BaseModel):
    """What `audio.transcriptions.create` sends, as a form."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    file: Annotated[UploadFile, File(description="WAV, FLAC, MP3, AAC, Ogg, MP4, M4A or WebM.")]
    model: ModelName
    language: Annotated[str | None, Field(max_length=40, description="`en` (as without it) or `fr`.")] = None
    prompt: Annotated[str | None, Field(max_length=4_096, description="Taken and not used.")] = None
    response_format: OutputFormat = "json"
    temperature: Annotated[float, Field(ge=0, le=1)] = 0.0
    stream: bool = False
    chunking_strategy: Annotated[str | None, Field(max_length=1_024, description=CHUNKING)] = None
    chunking_type: Annotated[Literal["server_vad"] | None, Field(alias="chunking_strategy[type]")] = None
    threshold: Annotated[float | None, Field(alias="chunking_strategy[threshold]")] = None
    prefix_padding_ms: Annotated[int | None, Field(alias="chunking_strategy[prefix_padding_ms]")] = None
    silence_duration_ms: Annotated[int | None, Field(alias="chunking_strategy[silence_duration_ms]")] = None
    timestamp_granularities: Annotated[
        list[Literal["segment"]], Field(alias="timestamp_granularities[]", max_length=1)
    ] = []
    include: Annotated[list[Literal["logprobs"]], Field(alias="include[]", max_length=1)] = []


class TokenUsage(Answer):
    type: Literal["tokens"] = "tokens"
    input_tokens: int
    output_tokens: int
    total_tokens: int


class DurationUsage(Answer):
    type: Literal["duration"] = "duration"
    seconds: float


class Logprob(Answer):
    token: str
    bytes: list[int]
    logprob: float


class Transcription(Answer):
    """The text."""

    text: str
    usage: TokenUsage
    logprobs: list[Logprob] | None = None


class TranscriptionSegment(Answer):
    """What is said between two silences."""

    id: int
    start: float
    end: float
    text: str
    tokens: list[int]
    temperature: float
    avg_logprob: float
    compression_ratio: float
    no_speech_prob: float
    seek: int


class VerboseTranscription(Answer):
    """The text with the times of its segments."""

    task: Literal["transcribe"] = "transcribe"
    language: str
    duration: float
    text: str
    segments: list[TranscriptionSegment]
    usage: DurationUsage


class TranscriptTextDelta(Answer):
    type: Literal["transcript.text.delta"] = "transcript.text.delta"
    delta: str
    logprobs: list[Logprob] | None = None


class TranscriptTextDone(Answer):
    type: Literal["transcript.text.done"] = "transcript.text.done"
    text: str
    usage: TokenUsage
    logprobs: list[Logprob] | None = None


RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "model": Transcription | VerboseTranscription,
        "description": "By `response_format` JSON or text; with `stream` events.",
        "content": {"text/plain": {"schema": {"type": "string"}}, **streamed("TranscriptTextDelta")},
    },
    **ERRORS,
}


@dataclass(frozen=True)
class _Length:
    """How long the whole sound is; told first."""

    duration_s: float


@dataclass(frozen=True)
class _Written:
    """A segment's text, once it is whole."""

    segment: Segment
    done: Done


_Piece = _Length | TextDelta | _Written


class TranscriptionJob:
    """A file to text: its speech one segment after the other."""

    def __init__(self, omni: Omni, data: bytes, form: TranscriptionForm, settings: ServerVad, *, max_s: float) -> None:
        self._omni = omni
        self._data = data
        self._form = form
        self._settings = settings
        self._max_s = max_s
        self._question = question(form.language or "en")
        self._is_cancelled = threading.Event()
        self._conversation: Conversation | None = None

    def run(self) -> Iterator[_Piece]:
        try:
            samples = read_sound(self._data, rate_hz=RATE_HZ, max_s=MAX_FILE_S)
        except ValueError as error:
            raise ApiError(f"file: {error}", code="invalid_audio", param="file") from error
        yield _Length(samples.size / RATE_HZ)
        has_text = False
        for segment in speech_segments(samples, self._settings, max_s=self._max_s):
            gap = " " if has_text else ""
            for event in self._written(segment):
                if isinstance(event, TextDelta):
                    yield TextDelta(gap + event.text, event.logprobs)
                    gap, has_text = "", True
                elif isinstance(event, Done):
                    yield _Written(segment, event)

    def cancel(self) -> None:
        self._is_cancelled.set()
        if self._conversation is not None:
            self._conversation.cancel()

    def _written(self, segment: Segment) -> Iterator[Any]:
        sound = Audio(torch.from_numpy(segment.samples), RATE_HZ)
        if self._is_cancelled.is_set():
            return
        message = Message("user", (Text(self._question), sound))
        self._conversation = self._omni.conversation([message], is_asked_at_once=True)
        sampling = Sampling(temperature=self._form.temperature)
        rules = TextRules(num_logprobs=0)
        events = self._conversation.reply("text", sampling=sampling, max_tokens=MAX_TEXT_TOKENS, rules=rules)
        if not self._is_cancelled.is_set():
            yield from events


def transcription_routes(omni: Omni, *, model_name: str, limits: Limits, work: ModelWork) -> APIRouter:
    """`POST /audio/transcriptions`."""
    router = APIRouter()

    @router.post("/audio/transcriptions", responses=RESPONSES, operation_id="createTranscription")
    async def create_transcription(form: Annotated[TranscriptionForm, Form()], request: HttpRequest) -> Response:
        """Write down what is said in a file."""
        require_model(form.model, model_name)
        settings = _checked(form)
        data = await form.file.read()
        job = TranscriptionJob(omni, data, form, settings, max_s=limits.audio_s)
        headers = {UNUSED_HEADER: "prompt"} if form.prompt else None
        stream = work.stream(job)
        if form.stream:
            pieces = await while_connected(request, begun(stream))
            events = events_of(_events(pieces, form), ends_with=None)
            return StreamingResponse(events, media_type="text/event-stream", headers=headers)
        whole = await while_connected(request, collected(stream))
        response = _whole(whole, form)
        response.headers.update(headers or {})
        return response

    return router


def _checked(form: TranscriptionForm) -> ServerVad:
    """Check what needs no model; how the sound is to be cut."""
    try:
        question(form.language or "en")
    except ValueError as error:
        raise ApiError(str(error), code="invalid_value", param="language") from error
    if form.stream and form.response_format != "json":
        raise unsupported("response_format", "streams are of response_format json; leave it or stream out")
    if form.include and form.response_format != "json":
        raise unsupported("include", "logprobs come with response_format json")
    return _cutting(form)


def _cutting(form: TranscriptionForm) -> ServerVad:
    """How the sound is to be cut: as the form says, in either of its ways."""
    single: dict[str, Any] = {"silence_duration_ms": SILENCE_MS}
    single |= {
        name: value
        for name in ("threshold", "prefix_padding_ms", "silence_duration_ms")
        if (value := getattr(form, name)) is not None
    }
    try:
        if form.chunking_strategy in (None, "auto"):
            return ServerVad.model_validate(single)
        return ServerVad.model_validate(json.loads(form.chunking_strategy or ""))
    except (ValidationError, ValueError, RecursionError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else "it is no JSON"
        message = f'chunking_strategy must be "auto" or of type server_vad ({reason})'
        raise ApiError(message, code="invalid_value", param="chunking_strategy") from error


def _whole(pieces: list[_Piece], form: TranscriptionForm) -> Response:
    duration_s = next(piece.duration_s for piece in pieces if isinstance(piece, _Length))
    written = [piece for piece in pieces if isinstance(piece, _Written)]
    text = _text(written)
    if form.response_format == "json":
        logprobs = [made for one in written for made in _logprobs(one.done.reply.logprobs)] if form.include else None
        answer = Transcription(text=text, usage=_usage(written), logprobs=logprobs)
        return JSONResponse(answer.model_dump(exclude_none=True))
    if form.response_format == "verbose_json":
        verbose = VerboseTranscription(
            language={"en": "english", "fr": "french"}[form.language or "en"],
            duration=duration_s,
            text=text,
            segments=[_told_segment(place, one, form.temperature) for place, one in enumerate(written)],
            usage=DurationUsage(seconds=duration_s),
        )
        return JSONResponse(verbose.model_dump())
    if form.response_format == "text":
        return PlainTextResponse(f"{text}\n")
    return PlainTextResponse(subtitles(written, is_vtt=form.response_format == "vtt"))


def subtitles(written: list[_Written], *, is_vtt: bool) -> str:
    """The segments as SubRip, or as WebVTT."""
    cues = []
    for one in written:
        if text := one.done.reply.text.strip():
            times = f"{_clock(one.segment.start_s, is_vtt)} --> {_clock(one.segment.end_s, is_vtt)}"
            cues.append(f"{times}\n{text}\n")
    if is_vtt:
        return "\n".join(["WEBVTT\n", *cues])
    return "\n".join(f"{number}\n{cue}" for number, cue in enumerate(cues, 1))


def _clock(time_s: float, is_vtt: bool) -> str:
    ms = round(time_s * 1000)
    clock = f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}"
    return f"{clock}{'.' if is_vtt else ','}{ms % 1000:03}"


def _text(written: list[_Written]) -> str:
    return " ".join(text for one in written if (text := one.done.reply.text.strip()))


def _usage(written: list[_Written]) -> TokenUsage:
    num_read = sum(one.done.usage.prompt_tokens for one in written)
    num_written = sum(one.done.usage.text_tokens for one in written)
    return TokenUsage(input_tokens=num_read, output_tokens=num_written, total_tokens=num_read + num_written)


def _logprobs(logprobs: Iterable[TokenLogprob]) -> list[Logprob]:
    """Those of the text; the end of the reply is a token of no bytes."""
    return [Logprob(token=one.text, bytes=list(one.data), logprob=one.logprob) for one in logprobs if one.data]


def _told_segment(place: int, one: _Written, temperature: float) -> TranscriptionSegment:
    reply = one.done.reply
    text = reply.text.encode()
    scores = [token.logprob for token in reply.logprobs]
    return TranscriptionSegment(
        id=place,
        start=round(one.segment.start_s, 3),
        end=round(one.segment.end_s, 3),
        text=reply.text,
        tokens=list(reply.ids),
        temperature=temperature,
        avg_logprob=sum(scores) / len(scores) if scores else 0.0,
        compression_ratio=len(text) / len(zlib.compress(text)),
        no_speech_prob=1 - one.segment.speech_probability,
        seek=0,
    )


async def _events(pieces: AsyncGenerator[_Piece, None], form: TranscriptionForm) -> AsyncIterator[tuple[None, str]]:
    written: list[_Written] = []
    logprobs: list[Logprob] | None = [] if form.include else None
    async with aclosing(pieces):
        async for piece in pieces:
            if isinstance(piece, _Written):
                written.append(piece)
            elif isinstance(piece, TextDelta) and piece.text:
                made = _logprobs(piece.logprobs) if logprobs is not None else None
                logprobs = None if logprobs is None else [*logprobs, *(made or ())]
                delta = TranscriptTextDelta(delta=piece.text, logprobs=made)
                yield None, delta.model_dump_json(exclude_none=True)
    done = TranscriptTextDone(text=_text(written), usage=_usage(written), logprobs=logprobs)
    yield None, done.model_dump_json(exclude_none=True)
