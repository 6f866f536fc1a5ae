"""A chat request to what the model is asked: its messages as turns of parts, its fields as settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from omniloom.generation import Sampling, TokenChoice, Turn
from omniloom.generation.rules import Constraint, TextRules, ToolCall, ToolRules
from omniloom.serving.http.asking import (
    Said,
    as_conversation,
    calls_of,
    json_of,
    length_of,
    sampling_of,
    text_part,
)
from omniloom.serving.http.chat import wire
from omniloom.serving.http.errors import ApiError, unsupported
from omniloom.serving.http.media import MediaReader
from omniloom.serving.http.store import Store
from omniloom.serving.http.wire import voice_name
from omniloom.serving.http.work import Asked
from omniloom.serving.realtime.limits import Limits
from omniloom.serving.voices import require_voice
from omniloom.stream.message import Message
from omniloom.stream.parts import Part

Spoken = Store[tuple[Part, ...]]
"""Spoken replies by the id that a client has of them."""


def checked(request: wire.ChatRequest) -> list[str]:
    """Check what needs no model; the fields that go unused.

    Raises:
        ApiError: If fields contradict each other, or a voice does not exist.
    """
    if request.stream_options is not None and not request.stream:
        raise ApiError("stream_options needs stream: true", code="invalid_value", param="stream_options")
    if request.audio is not None:
        if "audio" not in (request.modalities or ()):
            raise ApiError('audio needs modalities ["text", "audio"]', code="invalid_value", param="audio")
        try:
            require_voice(voice_name(request.audio.voice))
        except ValueError as error:
            raise ApiError(f"audio.voice: {error}", code="invalid_value", param="audio.voice") from error
    elif "audio" in (request.modalities or ()):
        raise ApiError(
            'modalities with "audio" need audio, such as {"voice": "loom", "format": "wav"}',
            code="missing_field",
            param="audio",
        )
    if request.image_temperature is not None and "image" not in (request.modalities or ()):
        raise ApiError(
            'image_temperature needs modalities ["text", "image"]', code="invalid_value", param="image_temperature"
        )
    rules_of(request)
    return [
        f"messages.{place}" for place, message in enumerate(request.messages) if isinstance(message, wire.SystemMessage)
    ]


def asked_of(request: wire.ChatRequest, *, limits: Limits, spoken: Spoken, encode: Callable[[Message], Turn]) -> Asked:
    """All that the model is asked, but for the seed; media are decoded here."""
    media = MediaReader(limits)
    said = [
        one for place, message in enumerate(request.messages) for one in _said(message, place, limits, spoken, media)
    ]
    return Asked(
        turns=[encode(message) for message in as_conversation(said, param="messages")],
        want=frozenset(request.modalities or ("text",)),
        sampling=_sampling(request),
        max_tokens=length_of(limits, request.max_completion_tokens, request.max_tokens),
        rules=rules_of(request),
    )


def _sampling(request: wire.ChatRequest) -> Sampling:
    """As everywhere, but that the picture may have a temperature of its own."""
    found = sampling_of(request.temperature, request.top_p)
    if request.image_temperature is None:
        return found
    return replace(found, image=TokenChoice(temperature=request.image_temperature))


def rules_of(request: wire.ChatRequest) -> TextRules | None:
    """What the request demands of the reply's text.

    Raises:
        ApiError: If a demand cannot be kept.
    """
    stop = (request.stop,) if isinstance(request.stop, str) else tuple(request.stop or ())
    form = None if isinstance(request.response_format, wire.TextFormat) else request.response_format
    if request.top_logprobs is not None and not request.logprobs:
        raise ApiError("top_logprobs needs logprobs: true", code="invalid_value", param="top_logprobs")
    if set(request.modalities or ()) & {"audio", "image"}:
        for name, value in (("stop", stop), ("response_format", form)):
            if value:
                raise unsupported(name, "it is of written replies alone; leave it out or ask for text")
    num_logprobs = (request.top_logprobs or 0) if request.logprobs else None
    calls = _calls(request)
    if form is not None and calls is not None:
        raise unsupported("response_format", "with tools that may be called; leave one of them out")
    if not stop and form is None and calls is None and num_logprobs is None:
        return None
    return TextRules(constraint=_constraint(form), calls=calls, stop=stop, num_logprobs=num_logprobs)


def _constraint(form: wire.JsonObjectFormat | wire.JsonSchemaFormat | None) -> Constraint | None:
    if form is None:
        return None
    schema = None if isinstance(form, wire.JsonObjectFormat) else form.json_schema.schema_
    return json_of(schema, param="response_format.json_schema.schema")


def _calls(request: wire.ChatRequest) -> ToolRules | None:
    choice = request.tool_choice
    functions = [tool.function for tool in request.tools or ()]
    return calls_of(
        functions,
        choice.function.name if isinstance(choice, wire.ChosenTool) else choice,
        params=[f"tools.{place}.function" for place in range(len(functions))],
    )


def _said(message: wire.ChatMessage, place: int, limits: Limits, spoken: Spoken, media: MediaReader) -> Iterator[Said]:
    param = f"messages.{place}"
    if isinstance(message, wire.UserMessage):
        yield Said("user", tuple(_user_parts(message, param, limits, media)))
    elif isinstance(message, wire.AssistantMessage):
        yield Said("assistant", tuple(_assistant_parts(message, param, limits, spoken, media)))
    elif isinstance(message, wire.ToolMessage):
        yield Said("user", tuple(_texts(message.content, f"{param}.content", limits)))


def _texts(content: str | list[wire.TextPart], param: str, limits: Limits) -> Iterator[Part]:
    if isinstance(content, str):
        yield text_part(content, limits, param=param)
        return
    for place, part in enumerate(content):
        yield text_part(part.text, limits, param=f"{param}.{place}.text")


def _user_parts(message: wire.UserMessage, param: str, limits: Limits, media: MediaReader) -> Iterator[Part]:
    if isinstance(message.content, str):
        yield text_part(message.content, limits, param=f"{param}.content")
        return
    for place, part in enumerate(message.content):
        where = f"{param}.content.{place}"
        if isinstance(part, wire.TextPart):
            yield text_part(part.text, limits, param=f"{where}.text")
        elif isinstance(part, wire.ImagePart):
            yield media.image_from_uri(part.image_url.url, param=f"{where}.image_url.url")
        elif isinstance(part, wire.AudioPart):
            yield media.sound_from_base64(part.input_audio.data, param=f"{where}.input_audio.data")
        elif isinstance(part, wire.VideoPart):
            yield media.video_from_uri(part.video_url.url, param=f"{where}.video_url.url")
        else:
            yield media.part_from_uri(part.file.file_data, param=f"{where}.file.file_data")


def _assistant_parts(
    message: wire.AssistantMessage, param: str, limits: Limits, spoken: Spoken, media: MediaReader
) -> Iterator[Part]:
    if message.audio is not None:
        kept = spoken.get(message.audio.id)
        if kept is None:
            raise ApiError(
                f"{param}.audio.id: {message.audio.id[:80]!r} is not known any longer; send what it says as content",
                status=404,
                code="audio_not_found",
                param=f"{param}.audio.id",
            )
        yield from kept
        return
    for place, text in enumerate(_assistant_texts(message)):
        if text.strip():
            yield text_part(text, limits, param=f"{param}.content.{place}")
    for place, image in enumerate(message.images or ()):
        yield media.image_from_uri(image.image_url.url, param=f"{param}.images.{place}.image_url.url")
    for place, call in enumerate(message.tool_calls or ()):
        made = ToolCall(name=call.function.name, arguments=call.function.arguments)
        yield text_part(made.text, limits, param=f"{param}.tool_calls.{place}.function.arguments")


def _assistant_texts(message: wire.AssistantMessage) -> Iterator[str]:
    if isinstance(message.content, str):
        yield message.content
    else:
        for part in message.content or ():
            yield part.text if isinstance(part, wire.TextPart) else part.refusal
    if message.refusal:
        yield message.refusal
