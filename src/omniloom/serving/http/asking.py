"""From the fields that several endpoints share to what the model is asked: sampling, seeds, lengths, forms, turns.

The model knows two roles, and its turns take turns. So messages of one side that follow each other become one, and
texts of the system are left out: no model here was taught a turn for them, and before the user's words they would be
taken for the user's. Which were left out is told in a header of the answer.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from omniloom.generation import Sampling
from omniloom.generation.rules import Constraint, Tool, ToolRules, json_object, json_schema, tool_call_grammar
from omniloom.serving.http.errors import ApiError, named
from omniloom.serving.realtime.limits import Limits
from omniloom.stream.message import Message, Role
from omniloom.stream.parts import Part, Text

UNUSED_HEADER = "omniloom-unused"


@dataclass(frozen=True)
class Said:
    """What one side said, in one or several messages."""

    role: Role
    parts: tuple[Part, ...]


class Function(Protocol):
    """A tool as both endpoints that take tools have it."""

    @property
    def name(self) -> str: ...

    @property
    def parameters(self) -> dict[str, Any] | None: ...


def sampling_of(temperature: float | None, top_p: float | None) -> Sampling:
    """Greedy where nothing is said: what the model is surest of."""
    if temperature is None:
        temperature = 1.0 if top_p is not None and top_p < 1 else 0.0
    return Sampling(temperature=temperature, top_p=1.0 if top_p is None else top_p)


def seeds_of(seed: int | None, count: int) -> list[int]:
    """A seed for each of several replies: the one given and those after it, or drawn."""
    first = secrets.randbits(48) if seed is None else seed
    return [first + place for place in range(count)]


def length_of(limits: Limits, *asked: int | None) -> int:
    """The longest reply, in tokens: the least of what is asked and what the server gives."""
    return min([limits.response_tokens, *(number for number in asked if number is not None)])


def text_part(text: str, limits: Limits, *, param: str) -> Text:
    """A text that is not empty and not too long."""
    if len(text) > limits.text_chars:
        raise ApiError(
            f"{param} has {len(text):,} characters, at most {limits.text_chars:,} are taken; send less",
            code="text_too_long",
            param=param,
        )
    try:
        return Text(text)
    except ValueError as error:
        raise ApiError(f"{param}: {error}", code="invalid_text", param=param) from error


def as_conversation(turns: Sequence[Said], *, param: str) -> list[Message]:
    """Messages that take turns and end with the user's."""
    joined: list[Said] = []
    for turn in turns:
        if joined and joined[-1].role == turn.role:
            joined[-1] = Said(turn.role, (*joined[-1].parts, *turn.parts))
        elif turn.parts:
            joined.append(turn)
    if not joined or joined[-1].role != "user":
        raise ApiError(
            f"{param} must end with what the user says; nothing is there to answer",
            code="nothing_to_answer",
            param=param,
        )
    if joined[0].role != "user":
        raise ApiError(f"{param} must begin with what the user says", code="invalid_value", param=param)
    return [Message(turn.role, turn.parts) for turn in joined]


def json_of(schema: dict[str, Any] | None, *, param: str) -> Constraint:
    """JSON that fits a schema, or any where there is none."""
    return json_object() if schema is None else named(lambda: json_schema(schema), param=param)


def calls_of(functions: Sequence[Function], choice: str | None, *, params: Sequence[str]) -> ToolRules | None:
    """Which tools may, must or must not be called; `params` are where they stand in the request.

    Raises:
        ApiError: If a tool is none that can be kept to, or the choice is of none of them.
    """
    if not functions:
        if choice not in (None, "none", "auto"):
            raise ApiError("tool_choice needs tools", code="invalid_value", param="tool_choice")
        return None
    tools = [_tool(function, param=param) for function, param in zip(functions, params, strict=True)]
    return named(lambda: tool_call_grammar(tools, choice or "auto"), param="tools")


def _tool(function: Function, *, param: str) -> Tool:
    return named(lambda: Tool(name=function.name, parameters=function.parameters), param=param)
