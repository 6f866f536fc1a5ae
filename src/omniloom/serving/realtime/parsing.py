"""A client's text to a typed event, or one error that says which field is wrong and what would be right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import from_json

from omniloom.serving.realtime.limits import Limits, RequestError
from omniloom.serving.realtime.protocol import CLIENT_EVENTS, Changes, event_type

Settings = TypeVar("Settings", bound=Changes)

Event = TypeVar("Event", bound=Changes)


def events_by_type(events: Iterable[type[Event]]) -> dict[str, type[Event]]:
    """Event classes by the `type` that they have on the wire."""
    return {event_type(event): event for event in events}


EVENTS_BY_TYPE = events_by_type(CLIENT_EVENTS)


def read_message(message: str | bytes, limits: Limits, events: Mapping[str, type[Event]]) -> Event:
    """The typed event in a client's message.

    Raises:
        RequestError: If there is none; with the event's `event_id` where that could be read.
    """
    data = read_json(message, limits)
    try:
        return read_event(data, events)
    except RequestError as error:
        event_id = data.get("event_id")
        error.event_id = event_id[:512] if isinstance(event_id, str) else None
        raise


def read_json(message: str | bytes, limits: Limits) -> dict[str, Any]:
    """The object that a message holds.

    Raises:
        RequestError: If it is too long, not JSON, or not an object.
    """
    if len(message) > limits.event_bytes:
        raise RequestError(
            f"the event has {len(message):,} bytes, at most {limits.event_bytes:,} are taken; send smaller pieces",
            code="event_too_large",
        )
    try:
        data = from_json(message)  # unlike json.loads it refuses deep nesting and half surrogate pairs
    except ValueError as error:
        raise RequestError(f"the event is not JSON: {error}", code="invalid_json") from error
    if not isinstance(data, dict):
        raise RequestError(f"an event is a JSON object, got {type(data).__name__}", code="invalid_event")
    return data


def read_event(data: Mapping[str, Any], events: Mapping[str, type[Event]]) -> Event:
    """The typed event.

    Raises:
        RequestError: If its type is unknown or a field is missing, unknown or out of range.
    """
    name = data.get("type")
    if not isinstance(name, str):
        raise RequestError("the event has no type", code="missing_type", param="type")
    if name not in events:
        near = difflib.get_close_matches(name, events, n=1)
        hint = f"; did you mean {near[0]}?" if near else f"; known are {', '.join(events)}"
        raise RequestError(f"unknown event type {name[:80]!r}{hint}", code="unknown_event_type", param="type")
    try:
        return events[name].model_validate(data)
    except ValidationError as error:
        raise as_request_error(error, data) from error


def change_settings(current: Settings, changes: Changes) -> Settings:
    """The settings with those fields changed that were given, however deep they stand; what changes its type is new.

    Raises:
        RequestError: If the result does not hold together.
    """
    merged = _merge(current.model_dump(), changes.model_dump(exclude_unset=True))
    try:
        return type(current).model_validate(merged)
    except ValidationError as error:
        raise as_request_error(error, merged) from error


def _merge(old: Any, new: Any) -> Any:
    if not (isinstance(old, dict) and isinstance(new, dict)) or new.get("type", old.get("type")) != old.get("type"):
        return new
    return {**old, **{key: _merge(old.get(key), value) for key, value in new.items()}}


def as_request_error(error: ValidationError, data: Mapping[str, Any] | None = None) -> RequestError:
    """The first thing found wrong, as an error for the client; without `data` the field is where the model has it."""
    first = error.errors(include_url=False)[0]
    is_missing = first["type"] == "missing"
    location = first["loc"]
    param = ".".join(map(str, location)) if data is None else _param(location, data, is_missing=is_missing)
    if first["type"] in ("extra_forbidden", "none_required"):
        remedy = "leave it out" if first["type"] == "extra_forbidden" else "send null or leave it out"
        message = f"{param} is not served here; {remedy} (docs/protocol.md lists what is)"
        return RequestError(message, code="unsupported_field", param=param)
    if first["type"] == "union_tag_invalid":
        context = first["ctx"]
        message = f"{param}: {str(context['tag'])[:80]!r} is not served here; known are {context['expected_tags']}"
        return RequestError(message, code="invalid_value", param=param)
    given = "" if isinstance(first["input"], dict | list) else f", got {str(first['input'])[:80]!r}"
    return RequestError(f"{param}: {first['msg']}{given}", code="invalid_value", param=param)


def _param(location: Sequence[str | int], data: Any, *, is_missing: bool) -> str:
    """The field's path as the client wrote it: of unions the location also names the member that was tried."""
    path = []
    for place, step in enumerate(location):
        is_absent_field = is_missing and place == len(location) - 1
        if _holds(data, step):
            data = data[step]
        elif not is_absent_field:
            continue
        path.append(str(step))
    return ".".join(path)


def _holds(data: Any, step: str | int) -> bool:
    if isinstance(data, Mapping):
        return step in data
    return isinstance(data, Sequence) and isinstance(step, int) and step < len(data)
