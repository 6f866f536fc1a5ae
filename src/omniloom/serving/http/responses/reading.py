"""A request of `responses` to what the model is asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

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
from omniloom.serving.http.errors import ApiError, named, unsupported
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


def asked_of(request: wire.ResponseRequest, *, seed: int, limits: Limits, history: Sequence[Message]) -> Asked:
    """All that the model is asked; media are decoded here."""
    before = [Turn(message.role, message.parts) for message in history]
    return Asked(
        messages=as_conversation([*before, *_turns(request, limits)], param="input"),
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
    if isinstance(form, wire.JsonObjectFormat) or form.schema_ is None:
        return json_object()
    schema = form.schema_
    return named(lambda: json_schema(schema), param="text.format.schema")


def _calls(request: wire.ResponseRequest) -> ToolRules | None:
    choice = request.tool_choice
    if not request.tools:
        if choice not in (None, "none", "auto"):
            raise ApiError("tool_choice needs tools", code="invalid_value", param="tool_choice")
        return None
    tools = [_tool(tool, param=f"tools.{place}") for place, tool in enumerate(request.tools)]
    name = choice.name if isinstance(choice, wire.ChosenTool) else choice
    return named(lambda: tool_call_grammar(tools, name or "auto"), param="tools")


def _tool(tool: wire.FunctionTool, *, param: str) -> Tool:
    return named(lambda: Tool(name=tool.name, parameters=tool.parameters), param=param)


def _is_system(item: wire.InputItem) -> bool:
    return isinstance(item, wire.InputMessage) and item.role in ("system", "developer")


def _turns(request: wire.ResponseRequest, limits: Limits) -> Iterator[Turn]:
    if isinstance(request.input, str):
        yield Turn("user", (text_part(request.input, limits, param="input"),))
        return
    budget = PixelBudget(limits)
    for place, item in enumerate(request.input):
        if isinstance(item, wire.GivenCall):
            made = ToolCall(name=item.name, arguments=item.arguments)
            yield Turn("assistant", (text_part(made.text, limits, param=f"input.{place}.arguments"),))
        elif isinstance(item, wire.CallOutput):
            yield Turn("user", (text_part(item.output, limits, param=f"input.{place}.output"),))
        elif not _is_system(item):
            role: Role = "assistant" if item.role == "assistant" else "user"
            param = f"input.{place}.content"
            yield Turn(role, tuple(budget.within(_parts(item, param, limits), param=param)))


def _parts(message: wire.InputMessage, param: str, limits: Limits) -> Iterator[Part]:
    if isinstance(message.content, str):
        yield text_part(message.content, limits, param=param)
        return
    for place, part in enumerate(message.content):
        where = f"{param}.{place}"
        if isinstance(part, wire.InputImage):
            yield media.image_from_uri(part.image_url, limits, param=f"{where}.image_url")
        elif isinstance(part, wire.InputFile):
            if message.role == "assistant":
                raise unsupported(f"{where}.file_data", "an answer holds text and pictures")
            name = f"{where}.file_data"
            yield media.part_from_file(media.file_from_uri(part.file_data, param=name), limits, param=name)
        elif isinstance(part, wire.GivenRefusal):
            yield text_part(part.refusal, limits, param=f"{where}.refusal")
        else:
            yield text_part(part.text, limits, param=f"{where}.text")
