"""The protocol page of the documentation, written from the wire messages: `python -m omniloom.serving.document FILE`.

What the server takes and sends is what its classes say, and a page kept by hand beside them was rejected: it
falls behind. Only what no class can say is prose here: how a dialect is chosen, how it differs from OpenAI's.
"""

from __future__ import annotations

import enum
import inspect
import json
import sys
import types
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from omniloom.serving.beta import protocol as beta
from omniloom.serving.live import protocol as live
from omniloom.serving.realtime import protocol as ga

Message = type[ga.Wire]

INTRO = """# The protocols

Three protocols for one conversation with the model, each as OpenAI's clients speak it. This page is written from the
server's own message classes (`python -m omniloom.serving.document docs/protocol.md`).

| Protocol | Where | Chosen by | Official client |
|---|---|---|---|
| [realtime](#realtime) (GA) | `ws://HOST/v1/realtime?model=NAME` | default | `client.realtime.connect(model=…)` |
| [beta](#beta) | the same | the header `OpenAI-Beta: realtime=v1`, or the subprotocol `openai-beta.realtime-v1` | \
`client.beta.realtime.connect(model=…)` with `websocket_base_url` set |
| [Live](#live) | `ws://HOST/v1/live/sessions` | its address | `client.live.connect()` |

Every message is a JSON object with a `type`. Each of the server's has an `event_id`; a client may give its own, and an
error names it. A field that stands on no table is refused by its name, never ignored; `null` counts as left out where
it is no value of its own. Sound is base64. A server with keys takes them as `Authorization: Bearer KEY` or, from a
browser, as the subprotocol `openai-insecure-api-key.KEY`.

How many earlier turns a session keeps in mind is the server's choice: the shipped model takes each by itself, others
keep all, and [`--remember`](serve.md) sets another number.

| The socket closes with | When |
|---|---|
| 1000 | as the client asked, or after the longest time of a session, which is told |
| 1008 | the client reads too slowly, or sends faster than the model can take in; both are told |
| 1009 | a message, or its fragments, are larger than the server reads |
| 1011 | pings had no answer for 20 s |
| 1012 | the server restarts |
| 1013 | there are as many sessions as the server takes |
| 4004 | the address names another model than the one that is served |

Before it opens, the handshake is refused over HTTP: 401 without a key that is known, 403 from another origin, 429 where
there was too much in a minute, 503 where the server is draining or has too many connections.
"""

REALTIME = """
## Realtime

Differences from OpenAI's protocol:

- Pictures out are ours: the modality `image`, the content `output_image`, and the events `response.output_image.delta`
  and `.done`. Official clients pass unknown events on by their `type`.
- So are `temperature`, of a session and of a response, and sound in at 16,000 samples a second.
- Items hold no pictures of the assistant, nothing is fetched from addresses, and there is no MCP, no tracing, no stored
  prompt, no noise reduction and no log probability of a transcript: asking for one is an error that names the field.
- `instructions` and messages of the system are kept and echoed, and reach a model only if it was trained with a turn of
  the system; the shipped one was not. What a function returned reaches it as text, and it was not taught to call any: a
  call fits its schema and means nothing.
- `conversation.item.truncate` keeps the words that were heard in the transcript, where OpenAI drops it. The model's
  memory is cut with it, at a whole frame of sound (40 ms); deleting and inserting change the memory too, and what comes
  next is as in a conversation that had always been so. A cancelled answer is remembered as far as it was sent.
- `conversation.item.retrieved` holds sound and pictures as the model heard and saw them, made from its own codes.
- The models here answer a turn of the user and nothing else. `response.create` where nothing is new, as a client sends
  that wants its user greeted, takes other words for the user's, for this answer alone: the `instructions` of the
  response, or a message of the system since the last answer. Without these it answers the user's last turn once more;
  where there was none, the session's `instructions`; and where all of it is missing it is an error,
  `nothing_to_answer`.
- Transcripts of the input are by the model itself, in the languages that it writes; whatever `model` names is echoed.
- `idle_timeout_ms` is counted on the microphone's clock, in sound that came, after the answer has been played.
- A conversation keeps its newest 512 items; older ones are deleted, and told as `conversation.item.deleted`. What does
  not fit the model's context gives way from the oldest exchange, by `truncation`.
- `rate_limits.updated` comes after each response; where the server sets no limit it names 1,000,000.
- `output_audio_buffer.started` and `.stopped` belong to WebRTC, which is not served.
"""

BETA = """
## Beta

The protocol before GA, translated to it on both sides, so everything said there holds here. Its session is flat, its
deltas have shorter names, `conversation.item.created` stands where GA has `conversation.item.added`, and what GA tells
by `conversation.item.done` stands in `response.output_item.done`. `temperature` is 0 unless it is set, where OpenAI
draws at 0.8; pictures out are the same extension. Messages that are not described here are those of the realtime
protocol.
"""

LIVE = """
## Live

Both sides may speak at any time. The model hears by itself when the user has ended, and stops speaking when the user
starts; there are no responses to ask for. Speech is sent as it is to be played, a fifth of a second ahead, and what was
not sent is not remembered as said. `session.start` comes first.

Differences from OpenAI's protocol:

- Between two utterances nothing is sent, where OpenAI streams silence. Words of the user come when the user has ended.
- The model is its own backend: with `delegation` of type `responses` its function calls come as `response.event`, and
  `session.delegation.created` never comes. Decisions, triggers, forks, stored sessions, WebRTC and SIP are not served.
- Instructions and thinking reach a model only if it was trained with a system turn; a commentary is put to it as if the
  user had written it.
"""


@dataclass
class _Page:
    """One protocol's part of the page: where its objects are described, and those that still are to be."""

    prefix: str
    elsewhere: dict[Message, str] = field(default_factory=dict)
    found: list[Message] = field(default_factory=list)

    def anchor(self, message: Message) -> str:
        return self.elsewhere.get(message) or f"{self.prefix}-{message.__name__}".lower()

    def link(self, message: Message) -> str:
        if message not in self.found and message not in self.elsewhere:
            self.found.append(message)
        return f"[{message.__name__}](#{self.anchor(message)})"


def render() -> str:
    """The whole page, as Markdown."""
    realtime = _Page("realtime")
    lines = [INTRO, REALTIME, *_protocol(realtime, ga.CLIENT_EVENTS, ga.SERVER_EVENTS, ga.EXTENSIONS)]
    known = {message: realtime.anchor(message) for message in (*realtime.found, *ga.CLIENT_EVENTS, *ga.SERVER_EVENTS)}
    lines += [BETA, *_protocol(_Page("beta", dict(known)), beta.CLIENT_EVENTS, beta.SERVER_EVENTS, ga.EXTENSIONS)]
    lines += [LIVE, *_protocol(_Page("live", dict(known)), live.CLIENT_EVENTS, live.SERVER_EVENTS, ())]
    return "\n".join(lines).replace("\n\n\n", "\n\n").strip() + "\n"


def _protocol(
    page: _Page, client: Sequence[Message], server: Sequence[Message], extensions: Iterable[str]
) -> Iterable[str]:
    for title, events in (("What a client may send", client), ("What the server sends", server)):
        yield f"\n### {title}\n"
        same = [event for event in events if event in page.elsewhere]
        if same:
            yield "As in the realtime protocol: " + ", ".join(
                f"[`{ga.event_type(event)}`](#{page.elsewhere[event]})" for event in same
            )
        for event in events:
            if event not in same:
                name = ga.event_type(event)
                mark = " (extension)" if name in extensions else ""
                yield from _section(page, event, f"`{name}`{mark}", leave_out=("type", "event_id", "client_event_id"))
    yield "\n### Objects\n"
    described = 0
    while described < len(page.found):
        message = page.found[described]
        described += 1
        yield from _section(page, message, message.__name__)


def _section(page: _Page, message: Message, title: str, *, leave_out: Sequence[str] = ()) -> Iterable[str]:
    yield f'\n<a id="{page.anchor(message)}"></a>\n#### {title}\n'
    described = inspect.cleandoc(message.__doc__ or "") if "__doc__" in vars(message) else ""
    if described:
        yield described + "\n"
    fields = {name: field for name, field in message.model_fields.items() if name not in leave_out}
    if fields:
        yield "| Field | Type | Default | |\n|---|---|---|---|"
        for name, info in fields.items():
            cells = (f"`{name}`", _type_of(page, info), _default_of(info), info.description or "")
            yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _type_of(page: _Page, info: FieldInfo) -> str:
    bounds = _bounds(info.metadata)
    return _name_of(page, info.annotation) + (f" {bounds}" if bounds else "")


def _name_of(page: _Page, annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        metadata = [
            constraint
            for item in arguments[1:]
            for constraint in (item.metadata if isinstance(item, FieldInfo) else [item])
        ]
        bounds = _bounds(metadata)
        return _name_of(page, arguments[0]) + (f" {bounds}" if bounds else "")
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_name_of(page, member) for member in arguments))
    if origin is Literal:
        return " or ".join(f"`{json.dumps(value, ensure_ascii=False)}`" for value in arguments)
    if origin is list:
        return f"list of {_name_of(page, arguments[0])}"
    if annotation is None or annotation is type(None):
        return "`null`"
    if inspect.isclass(annotation) and issubclass(annotation, ga.Wire):
        return page.link(annotation)
    names = {str: "text", int: "whole number", float: "number", bool: "`true` or `false`"}
    return names.get(annotation, "JSON")


def _bounds(metadata: Iterable[Any]) -> str:
    """Limits of a number, a text or a list in words."""
    found = {
        name: getattr(constraint, name)
        for constraint in metadata
        for name in ("ge", "gt", "le", "lt", "min_length", "max_length")
        if getattr(constraint, name, None) is not None
    }
    low, high = found.get("ge", found.get("min_length")), found.get("le", found.get("max_length"))
    if "gt" in found:
        return f"above {found['gt']:,}" + (f", to {high:,}" if high is not None else "")
    if low is not None and high is not None:
        return f"({low:,} to {high:,})"
    if low is not None:
        return f"(from {low:,})"
    return f"(up to {high:,})" if high is not None else ""


def _default_of(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    value = info.default
    if value is PydanticUndefined:
        return ""
    if isinstance(value, BaseModel):
        kind = getattr(value, "type", None)
        return f"`{kind}`" if kind is not None else "its own"
    if isinstance(value, enum.Enum):
        value = value.value
    return f"`{json.dumps(value, ensure_ascii=False)}`"


def main(arguments: Sequence[str]) -> None:
    """Write the page to the file that is named, or to the screen."""
    if arguments:
        Path(arguments[0]).write_text(render(), encoding="utf-8")
    else:
        sys.stdout.write(render())


if __name__ == "__main__":
    main(sys.argv[1:])
