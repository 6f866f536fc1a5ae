"""Tools: a reply may be, or must be, a call of one of the caller's functions with arguments that fit its schema.

A call is written as text in one form, with just these spaces, and is all of its reply:

    {"name": "NAME", "arguments": {…}}

An answer never begins with a brace, so the first character tells which it is, and an answer is free from its first
token on; a reply that was to be spoken or drawn becomes written where the model begins a call. Rejected: a mark of its
own in the vocabulary, which no trained model would know; and waiting for the opening words of a call within an answer,
by which a stray brace would cost a stream its head start.

No model knows tools that it was not trained with: such a one answers as always where it may (`auto`), and where it must
call, its arguments fit the schema and mean nothing. A trained one is told of the tools in the user's turn and given the
outcome of a call there; this module does not write prompts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from omniloom.generation.rules.constraint import MAX_SOURCE_CHARS, Constraint, check_multiples, schema_source

MAX_TOOLS = 128
CALL_START = "{"

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_HEAD = re.compile(r'\{"name": "([a-zA-Z0-9_-]+)", "arguments": ')


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A function of the caller's: its name, and the JSON schema of its arguments, an object; None for no arguments."""

    name: str
    parameters: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"a tool's name must be 1 to 64 letters, digits, _ or -, got {self.name!r}")
        if self.parameters is not None and self.parameters.get("type", "object") != "object":
            raise ValueError(
                f"the parameters of tool {self.name} must be an object, got {self.parameters['type']!r}; put the "
                "value into a property of one"
            )


@dataclass(frozen=True, kw_only=True)
class ToolCall:
    """What the model asks for; `arguments` is JSON, unfinished where the reply ran out of tokens."""

    name: str
    arguments: str

    @property
    def text(self) -> str:
        """The call as the model wrote it."""
        return f'{{"name": "{self.name}", "arguments": {self.arguments}}}'


@dataclass(frozen=True, kw_only=True)
class ToolRules:
    """Calls that a reply may consist of, and whether it must be one."""

    constraint: Constraint
    is_required: bool


def tool_call_grammar(tools: Sequence[Tool], tool_choice: str = "auto") -> ToolRules | None:
    """Rules by which a reply's call fits its tool's schema; None where no tool may be called.

    `tool_choice` is "none", "auto", "required", or the name of the tool that must be called.

    Raises:
        ValueError: If there are too many tools, two have one name, none has the name that was chosen, or a schema is
            larger than may be. What a schema holds is looked at when the rules are first used.
    """
    names = [tool.name for tool in tools]
    if len(tools) > MAX_TOOLS:
        raise ValueError(f"{len(tools)} tools are given, at most {MAX_TOOLS} are taken; leave some out")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"two tools are called {twice}; give each a name of its own")
    if tool_choice == "none" or (tool_choice == "auto" and not tools):
        return None
    offered = tools if tool_choice in ("auto", "required") else [tool for tool in tools if tool.name == tool_choice]
    if not offered:
        raise ValueError(
            f"tool_choice {tool_choice!r} names no tool that is given ({', '.join(names) or 'there is none'}); it must "
            "be none, auto, required, or a tool's name"
        )
    calls = " | ".join(f"call_{number}" for number in range(len(offered)))
    source = "\n".join([f"start: {calls}", *(_rule(number, tool) for number, tool in enumerate(offered))])
    if len(source) > MAX_SOURCE_CHARS["json_schema"]:
        raise ValueError(
            f"the tools' schemas have {len(source)} characters together, at most {MAX_SOURCE_CHARS['json_schema']} are "
            "taken; leave tools out or use smaller schemas"
        )
    check_multiples([tool.parameters or {} for tool in offered])
    return ToolRules(constraint=Constraint(kind="lark", source=source), is_required=tool_choice != "auto")


def _rule(number: int, tool: Tool) -> str:
    empty = {"type": "object", "properties": {}, "additionalProperties": False}
    try:
        schema = schema_source({"type": "object", **(empty if tool.parameters is None else tool.parameters)})
    except ValueError as error:
        raise ValueError(f"the parameters of tool {tool.name}: {error}") from error
    head, tail = json.dumps(f'{{"name": "{tool.name}", "arguments": '), json.dumps("}")
    return f"call_{number}: {head} arguments_{number} {tail}\narguments_{number}: %json {schema}"


class CallReader:
    """A call's name and arguments out of its text as it comes. The last brace is the call's and none of theirs."""

    def __init__(self) -> None:
        self._text = ""
        self._num_read = 0
        self.name: str | None = None

    def push(self, text: str) -> str:
        """More of the arguments, if `name` is known by now."""
        self._text += text
        if self.name is None:
            if not (head := _HEAD.match(self._text)):
                return ""
            self.name, self._num_read = head[1], head.end()
        stop = len(self._text) - self._text.endswith("}")
        found = self._text[self._num_read : stop]
        self._num_read = max(stop, self._num_read)
        return found

    def flush(self) -> str:
        """The rest of the arguments, once no more text comes: a last brace that is theirs, as the call was cut."""
        rest = self._text[self._num_read :] if self.name is not None else ""
        return rest if rest and not _is_json(self._arguments(self._num_read)) else ""

    def call(self) -> ToolCall | None:
        """The call so far, after `flush`; None where not even its name is there."""
        if self.name is None:
            return None
        return ToolCall(name=self.name, arguments=self._arguments(self._num_read) + self.flush())

    def _arguments(self, stop: int) -> str:
        head = _HEAD.match(self._text)
        assert head is not None
        return self._text[head.end() : stop]


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
