"""Between the beta protocol and the GA one: a client's event to the one that the session follows, and its events back.

Both sides are typed, so what the GA classes would not take fails here and not at a client. Errors name the beta field.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, cast

from pydantic import TypeAdapter

from omniloom.serving.beta import protocol as b
from omniloom.serving.realtime import protocol as p

FORMATS: dict[b.AudioFormat, p.AudioFormat] = {
    "pcm16": p.PcmFormat(),
    "g711_ulaw": p.PcmuFormat(),
    "g711_alaw": p.PcmaFormat(),
}
FORMAT_NAMES: dict[str, b.AudioFormat] = {format.type: name for name, format in FORMATS.items()}

PLACES: dict[str, tuple[str, ...]] = {
    "voice": ("audio", "output", "voice"),
    "speed": ("audio", "output", "speed"),
    "input_audio_format": ("audio", "input", "format"),
    "output_audio_format": ("audio", "output", "format"),
    "input_audio_transcription": ("audio", "input", "transcription"),
    "input_audio_noise_reduction": ("audio", "input", "noise_reduction"),
    "turn_detection": ("audio", "input", "turn_detection"),
    "modalities": ("output_modalities",),
    "max_response_output_tokens": ("max_output_tokens",),
}
"""Where a beta setting stands in the GA protocol; those that are not here stand where they did."""
NAMES = {".".join(place): name for name, place in PLACES.items()}
GA_FIELD = re.compile("|".join(re.escape(place) for place in sorted(NAMES, key=len, reverse=True)))

GA_ITEM: TypeAdapter[p.Item] = TypeAdapter(p.Item)
GA_ITEM_OR_REFERENCE: TypeAdapter[p.ItemOrReference] = TypeAdapter(p.ItemOrReference)
BETA_ITEM: TypeAdapter[b.Item] = TypeAdapter(b.Item)
GA_PARTS = {"text": "output_text", "audio": "output_audio"}
BETA_PARTS = {ga: beta for beta, ga in GA_PARTS.items()}


# From the client


def to_ga(event: p.ClientEvent) -> p.ClientEvent:
    """The GA event that asks for the same."""
    if isinstance(event, b.SessionUpdate):
        settings = p.SessionSettings.model_validate(_settings(event.session))
        return p.SessionUpdate(type="session.update", event_id=event.event_id, session=settings)
    if isinstance(event, b.TranscriptionSessionUpdate):
        data = _settings(event.session, leave_out=frozenset({"modalities", "client_secret"}))
        listening = p.TranscriptionSettings.model_validate({**data, "type": "transcription"})
        return p.SessionUpdate(type="session.update", event_id=event.event_id, session=listening)
    if isinstance(event, b.ConversationItemCreate):
        return p.ConversationItemCreate(
            type="conversation.item.create",
            event_id=event.event_id,
            previous_item_id=event.previous_item_id,
            item=GA_ITEM.validate_python(_renamed_parts(event.item, GA_PARTS)),
        )
    if isinstance(event, b.ResponseCreate):
        data = _settings(event.response)
        if event.response.input is not None:
            data["input"] = [
                GA_ITEM_OR_REFERENCE.validate_python(_renamed_parts(item, GA_PARTS)) for item in event.response.input
            ]
        asked = p.ResponseSettings.model_validate(data)
        return p.ResponseCreate(type="response.create", event_id=event.event_id, response=asked)
    return event


def _settings(settings: p.Changes, *, leave_out: frozenset[str] = frozenset()) -> dict[str, Any]:
    """What was set, where the GA protocol has it."""
    data: dict[str, Any] = {}
    for name in settings.model_fields_set - leave_out:
        value = getattr(settings, name)
        if name.endswith("_audio_format") and value is not None:
            value = FORMATS[value]
        elif name == "modalities" and value is not None:
            value = [kind for kind in value if kind != "text"] or ["text"]
        elif name == "tool_choice" and isinstance(value, str) and value not in ("none", "auto", "required"):
            value = p.ToolChoiceFunction(name=value)
        if isinstance(value, p.Wire):
            value = value.model_dump(exclude_unset=not isinstance(value, p.ToolChoiceFunction)) | (
                {"type": value.type} if hasattr(value, "type") else {}
            )
        *path, last = PLACES.get(name, (name,))
        inner = data
        for step in path:
            inner = inner.setdefault(step, {})
        inner[last] = value
    return data


def _renamed_parts(item: p.Wire, names: dict[str, str]) -> dict[str, Any]:
    data = item.model_dump()
    for part in data.get("content", ()) if data.get("role") == "assistant" else ():
        part["type"] = names.get(part["type"], part["type"])
    return data


# To the client


def to_beta(event: p.ServerEvent) -> p.ServerEvent | None:
    """The beta event that tells the same; None where the beta protocol has told it already."""
    renamed = b.RENAMED.get(type(event))
    if renamed is not None:
        return renamed.model_construct(**{**dict(event), "type": renamed.model_fields["type"].default})
    change = _CHANGES.get(type(event))
    return event if change is None else change(event)


def to_beta_names(text: str) -> str:
    """A field's name, or a message with such names in it, as the beta protocol calls them."""
    return GA_FIELD.sub(lambda match: NAMES[match.group()], text)


def _error(event: p.Error) -> p.ServerEvent:
    param = event.error.param
    changed = {
        "message": to_beta_names(event.error.message),
        "param": to_beta_names(param) if param is not None else None,
    }
    return p.Error(event_id=event.event_id, error=event.error.model_copy(update=changed))


def _session_created(event: p.SessionCreated) -> p.ServerEvent:
    return b.SessionCreated(event_id=event.event_id, session=_session(cast(p.Session, event.session)))


def _session_updated(event: p.SessionUpdated) -> p.ServerEvent:
    session = event.session
    if isinstance(session, p.Session):
        return b.SessionUpdated(event_id=event.event_id, session=_session(session))
    told = b.TranscriptionSession(
        id=session.id,
        input_audio_format=FORMAT_NAMES[session.audio.input.format.type],
        input_audio_transcription=session.audio.input.transcription,
        turn_detection=session.audio.input.turn_detection,
    )
    return b.TranscriptionSessionUpdated(event_id=event.event_id, session=told)


def _session(session: p.Session) -> b.Session:
    choice = session.tool_choice
    return b.Session(
        id=session.id,
        model=session.model,
        modalities=_modalities(session.output_modalities),
        instructions=session.instructions,
        voice=session.audio.output.voice,
        input_audio_format=FORMAT_NAMES[session.audio.input.format.type],
        output_audio_format=FORMAT_NAMES[session.audio.output.format.type],
        input_audio_transcription=session.audio.input.transcription,
        turn_detection=session.audio.input.turn_detection,
        tools=session.tools,
        tool_choice=choice if isinstance(choice, str) else choice.name,
        temperature=session.temperature,
        max_response_output_tokens=session.max_output_tokens,
        speed=session.audio.output.speed,
    )


def _modalities(kinds: Sequence[p.OutputModality]) -> list[p.OutputModality]:
    """Speech and pictures come with words, which the beta protocol names beside them."""
    return ["text", *(kind for kind in kinds if kind != "text")]


def _item(item: p.Item) -> b.Item:
    if isinstance(item, p.AssistantMessage):
        return BETA_ITEM.validate_python(_renamed_parts(item, BETA_PARTS))
    return item


def _item_created(event: p.ConversationItemAdded) -> p.ServerEvent:
    return b.ConversationItemCreated(
        event_id=event.event_id, previous_item_id=event.previous_item_id, item=_item(event.item)
    )


def _item_retrieved(event: p.ConversationItemRetrieved) -> p.ServerEvent:
    return b.ConversationItemRetrieved(event_id=event.event_id, item=_item(event.item))


def _output_item_added(event: p.OutputItemAdded) -> p.ServerEvent:
    return b.OutputItemAdded(**{**dict(event), "item": _item(event.item)})


def _output_item_done(event: p.OutputItemDone) -> p.ServerEvent:
    return b.OutputItemDone(**{**dict(event), "item": _item(event.item)})


def _response_created(event: p.ResponseCreated) -> p.ServerEvent:
    return b.ResponseCreated(event_id=event.event_id, response=_response(event.response))


def _response_done(event: p.ResponseDone) -> p.ServerEvent:
    return b.ResponseDone(event_id=event.event_id, response=_response(event.response))


def _response(response: p.Response) -> b.Response:
    spoken = response.audio.output if response.audio is not None else None
    return b.Response(
        id=response.id,
        conversation_id=response.conversation_id,
        status=response.status,
        status_details=response.status_details,
        output=[_item(item) for item in response.output],
        modalities=_modalities(response.output_modalities),
        voice=spoken.voice if spoken is not None else None,
        output_audio_format=FORMAT_NAMES[spoken.format.type] if spoken is not None else None,
        temperature=response.temperature,
        max_output_tokens=response.max_output_tokens,
        usage=_usage(response.usage) if response.usage is not None else None,
        metadata=response.metadata,
    )


def _usage(usage: p.Usage) -> b.Usage:
    details = usage.input_token_details.model_dump(exclude={"cached_tokens_details"})
    return b.Usage(
        total_tokens=usage.total_tokens,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        input_token_details=b.InputTokenDetails(**details),
        output_token_details=usage.output_token_details,
    )


_CHANGES: dict[type[p.ServerEvent], Callable[[Any], p.ServerEvent | None]] = {
    p.Error: _error,
    p.SessionCreated: _session_created,
    p.SessionUpdated: _session_updated,
    p.ConversationItemAdded: _item_created,
    p.ConversationItemDone: lambda event: None,
    p.ConversationItemRetrieved: _item_retrieved,
    p.OutputItemAdded: _output_item_added,
    p.OutputItemDone: _output_item_done,
    p.ResponseCreated: _response_created,
    p.ResponseDone: _response_done,
}
