"""A request of `responses` to what the model is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from omniloom.generation import Turn
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
from omniloom.serving.http.errors import ApiError, unsupported
from omniloom.serving.http.media import MediaReader
from omniloom.serving.http.responses import wire
from omniloom.serving.http.work import Asked
from omniloom.serving.realtime.limits import Limits
from omniloom.stream.message import Message, Role
from omniloom.stream.parts import Part


def checked(request: wire.ResponseRequest) -> list[str]:
    """Check what needs no model; the fields that go unused.

    Raises:
        ApiError: If fields contradict each other.
    """
    if request.stream_options is not None and not request.stream:
        raise ApiError("stream_options needs stream: true", code="invalid_value", param="stream_options")
    if request.top_logprobs and not request.include:
        message = f'top_logprobs needs include ["{wire.LOGPROBS}"]'
        raise ApiError(message, code="invalid_value", param="top_logprobs")
    rules_of(request)
    unused = ["instructions"] if request.instructions else []
    if isinstance(request.input, str):
        return unused
    return unused + [f"input.{place}" for place, item in enumerate(request.input) if _is_system(item)]


def asked_of(
    request: wire.ResponseRequest,
    *,
    seed: int,
    limits: Limits,
    history: Sequence[Message],
    encode: Callable[[Message], Turn],
) -> Asked:
    """All that the model is asked; media are decoded here."""
    before = [Said(message.role, message.parts) for message in history]
    messages = as_conversation([*before, *_said(request, limits)], param="input")
    return Asked(
        turns=[encode(message) for message in messages],
        want=frozenset({"text"}),
        sampling=sampling_of(request.temperature, request.top_p),
        seed=seed,
        max_tokens=length_of(limits, request.max_output_tokens),
        rules=rules_of(request),
    )


def rules_of(request: wire.ResponseRequest) -> TextRules | None:
    """What the request demands of the reply's text.

    Raises:
        ApiError: If a demand cannot be kept.
    """
    constraint, calls = _constraint(request), _calls(request)
    if constraint is not None and calls is not None:
        raise unsupported("text.format", "with tools that may be called; leave one of them out")
    num_logprobs = (request.top_logprobs or 0) if request.include else None
    if constraint is None and calls is None and num_logprobs is None:
        return None
    return TextRules(constraint=constraint, calls=calls, num_logprobs=num_logprobs)


def _constraint(request: wire.ResponseRequest) -> Constraint | None:
    form = request.text.format if request.text is not None else None
    if form is None or isinstance(form, wire.TextFormat):
        return None
    return json_of(None if isinstance(form, wire.JsonObjectFormat) else form.schema_, param="text.format.schema")


def _calls(request: wire.ResponseRequest) -> ToolRules | None:
    choice, tools = request.tool_choice, request.tools or ()
    name = choice.name if isinstance(choice, wire.ChosenTool) else choice
    return calls_of(tools, name, params=[f"tools.{place}" for place in range(len(tools))])


def _is_system(item: wire.InputItem) -> bool:
    return isinstance(item, wire.InputMessage) and item.role in ("system", "developer")


def _said(request: wire.ResponseRequest, limits: Limits) -> Iterator[Said]:
    if isinstance(request.input, str):
        yield Said("user", (text_part(request.input, limits, param="input"),))
        return
    media = MediaReader(limits)
    for place, item in enumerate(request.input):
        if isinstance(item, wire.GivenCall):
            made = ToolCall(name=item.name, arguments=item.arguments)
            yield Said("assistant", (text_part(made.text, limits, param=f"input.{place}.arguments"),))
        elif isinstance(item, wire.CallOutput):
            yield Said("user", (text_part(item.output, limits, param=f"input.{place}.output"),))
        elif not _is_system(item):
            role: Role = "assistant" if item.role == "assistant" else "user"
            yield Said(role, tuple(_parts(item, f"input.{place}.content", limits, media)))


def _parts(message: wire.InputMessage, param: str, limits: Limits, media: MediaReader) -> Iterator[Part]:
    if isinstance(message.content, str):
        yield text_part(message.content, limits, param=param)
        return
    for place, part in enumerate(message.content):
        where = f"{param}.{place}"
        if isinstance(part, wire.InputImage):
            yield media.image_from_uri(part.image_url, param=f"{where}.image_url")
        elif isinstance(part, wire.InputFile):
            if message.role == "assistant":
                raise unsupported(f"{where}.file_data", "an answer holds text and pictures")
            yield media.part_from_uri(part.file_data, param=f"{where}.file_data")
        elif isinstance(part, wire.GivenRefusal):
            yield text_part(part.refusal, limits, param=f"{where}.refusal")
        else:
            yield text_part(part.text, limits, param=f"{where}.text")
