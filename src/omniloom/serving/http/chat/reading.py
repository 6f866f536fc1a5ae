"""A chat request to what the model is asked: its messages as turns of parts, its fields as settings."""

from __future__ import annotations

from collections.abc import Iterator

from omniloom.generation.rules import (
    Constraint,
    TextRules,
    Tool,
    ToolCall,
    ToolRules,
    json_object,
    json_schema,
    tool_call_grammar,
)
from omniloom.serving.http import media
from omniloom.serving.http.asking import PixelBudget, Turn, as_conversation, length_of, sampling_of, text_part
from omniloom.serving.http.chat import wire
from omniloom.serving.http.errors import ApiError, named, unsupported
from omniloom.serving.http.store import Store
from omniloom.serving.http.wire import voice_name
from omniloom.serving.http.work import Asked
from omniloom.serving.realtime.limits import Limits
from omniloom.serving.voices import require_voice
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
    rules_of(request)
    return [
        f"messages.{place}" for place, message in enumerate(request.messages) if isinstance(message, wire.SystemMessage)
    ]


def asked_of(request: wire.ChatRequest, *, seed: int, limits: Limits, spoken: Spoken) -> Asked:
    """All that the model is asked; media are decoded here."""
    budget = PixelBudget(limits)
    turns = [
        turn
        for place, message in enumerate(request.messages)
        for turn in _turns(message, place, limits, spoken, budget)
    ]
    return Asked(
        messages=as_conversation(turns, param="messages"),
        want=frozenset(request.modalities or ("text",)),
        sampling=sampling_of(request.temperature, request.top_p),
        seed=seed,
        max_tokens=length_of(limits, request.max_completion_tokens, request.max_tokens),
        rules=rules_of(request),
    )


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
    if isinstance(form, wire.JsonObjectFormat) or form.json_schema.schema_ is None:
        return json_object()
    schema = form.json_schema.schema_
    return named(lambda: json_schema(schema), param="response_format.json_schema.schema")


def _calls(request: wire.ChatRequest) -> ToolRules | None:
    choice = request.tool_choice
    if not request.tools:
        if choice not in (None, "none", "auto"):
            raise ApiError("tool_choice needs tools", code="invalid_value", param="tool_choice")
        return None
    tools = [_tool(tool.function, param=f"tools.{place}.function") for place, tool in enumerate(request.tools)]
    name = choice.function.name if isinstance(choice, wire.ChosenTool) else choice
    return named(lambda: tool_call_grammar(tools, name or "auto"), param="tools")


def _tool(function: wire.FunctionDefinition, *, param: str) -> Tool:
    return named(lambda: Tool(name=function.name, parameters=function.parameters), param=param)


def _turns(
    message: wire.ChatMessage, place: int, limits: Limits, spoken: Spoken, budget: PixelBudget
) -> Iterator[Turn]:
    param = f"messages.{place}"
    if isinstance(message, wire.UserMessage):
        yield Turn("user", tuple(budget.within(_user_parts(message, param, limits), param=param)))
    elif isinstance(message, wire.AssistantMessage):
        yield Turn("assistant", tuple(budget.within(_assistant_parts(message, param, limits, spoken), param=param)))
    elif isinstance(message, wire.ToolMessage):
        yield Turn("user", tuple(_texts(message.content, f"{param}.content", limits)))


def _texts(content: str | list[wire.TextPart], param: str, limits: Limits) -> Iterator[Part]:
    if isinstance(content, str):
        yield text_part(content, limits, param=param)
        return
    for place, part in enumerate(content):
        yield text_part(part.text, limits, param=f"{param}.{place}.text")


def _user_parts(message: wire.UserMessage, param: str, limits: Limits) -> Iterator[Part]:
    if isinstance(message.content, str):
        yield text_part(message.content, limits, param=f"{param}.content")
        return
    for place, part in enumerate(message.content):
        where = f"{param}.content.{place}"
        if isinstance(part, wire.TextPart):
            yield text_part(part.text, limits, param=f"{where}.text")
        elif isinstance(part, wire.ImagePart):
            yield media.image_from_uri(part.image_url.url, limits, param=f"{where}.image_url.url")
        elif isinstance(part, wire.AudioPart):
            yield media.sound_from_base64(part.input_audio.data, limits, param=f"{where}.input_audio.data")
        elif isinstance(part, wire.VideoPart):
            yield media.video_from_uri(part.video_url.url, limits, param=f"{where}.video_url.url")
        else:
            name = f"{where}.file.file_data"
            yield media.part_from_file(media.file_from_uri(part.file.file_data, param=name), limits, param=name)


def _assistant_parts(message: wire.AssistantMessage, param: str, limits: Limits, spoken: Spoken) -> Iterator[Part]:
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
        yield media.image_from_uri(image.image_url.url, limits, param=f"{param}.images.{place}.image_url.url")
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
