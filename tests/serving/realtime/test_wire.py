"""The wire's types are OpenAI's: the official package's own models take every default and every kind of message."""

from __future__ import annotations

import pytest
from openai.types.realtime import RealtimeClientEvent, RealtimeSessionCreateRequest
from openai.types.realtime.realtime_server_event import RealtimeServerEvent
from pydantic import TypeAdapter

from omniloom.serving.realtime import protocol as p
from omniloom.serving.realtime.limits import RequestError
from omniloom.serving.realtime.parsing import EVENTS_BY_TYPE, change_settings, read_event

FORMATS = [{"type": "audio/pcm", "rate": 24000}, {"type": "audio/pcmu"}, {"type": "audio/pcma"}]


def literals_of(union):
    """The `type` of each event in one of the official package's unions."""
    members = union.__args__[0].__args__
    return {member.model_fields["type"].annotation.__args__[0] for member in members}


def test_every_client_event_of_the_official_package_is_known():
    assert {p.event_type(event) for event in p.CLIENT_EVENTS} == {
        member.model_fields["type"].annotation.__args__[0] for member in RealtimeClientEvent.__args__[0].__args__
    }


def test_every_server_event_is_of_the_official_package_but_for_the_extensions():
    assert {p.event_type(event) for event in p.SERVER_EVENTS} - set(p.EXTENSIONS) < literals_of(RealtimeServerEvent)


def test_a_new_session_is_one_of_the_official_package():
    event = p.SessionCreated(session=p.Session(id="sess_1", model="tiny"))
    text = event.model_dump_json()
    found = TypeAdapter(RealtimeServerEvent).validate_json(text, strict=True)
    assert isinstance(found.session, RealtimeSessionCreateRequest)
    assert found.session.audio.input.turn_detection.type == "server_vad"


def update(**session):
    return read_event({"type": "session.update", "session": session}, EVENTS_BY_TYPE).session


def test_what_livekit_sends_unasked_is_taken_and_null_leaves_alone_what_cannot_be_null():
    session = p.Session(id="sess_1", model="tiny")
    changed = change_settings(
        session,
        update(
            type="realtime",
            model="tiny",
            output_modalities=["audio"],
            audio={
                "input": {
                    "format": FORMATS[0],
                    "noise_reduction": None,
                    "transcription": {"model": "gpt-4o-mini-transcribe"},
                    "turn_detection": {"type": "semantic_vad", "eagerness": "medium"},
                },
                "output": {"format": FORMATS[0], "speed": None, "voice": "marin"},
            },
            max_output_tokens="inf",
            tool_choice="auto",
            tracing=None,
        ),
    )
    assert changed.audio.output == p.AudioOutput(voice="marin")
    assert changed.audio.input.turn_detection == p.SemanticVad(eagerness="medium")
    assert changed.audio.input.transcription.model == "gpt-4o-mini-transcribe"
    off = change_settings(changed, update(audio={"input": {"transcription": None, "turn_detection": None}}))
    assert (off.audio.input.transcription, off.audio.input.turn_detection) == (None, None)
    assert off.audio.output.voice == "marin"


@pytest.mark.parametrize("audio_format", FORMATS)
def test_formats_replace_each_other_whole(audio_format):
    session = p.Session(id="sess_1", model="tiny")
    for first in FORMATS:
        changed = change_settings(session, update(audio={"output": {"format": first}}))
        changed = change_settings(changed, update(audio={"output": {"format": audio_format}}))
        assert changed.audio.output.format.model_dump() == audio_format


@pytest.mark.parametrize(
    ("session", "param"),
    [
        ({"audio": {"input": {"noise_reduction": {"type": "near_field"}}}}, "session.audio.input.noise_reduction"),
        ({"tracing": "auto"}, "session.tracing"),
        ({"prompt": {"id": "pmpt_1"}}, "session.prompt"),
        ({"audio": {"output": {"speed": 2}}}, "session.audio.output.speed"),
        ({"audio": {"input": {"turn_detection": {"type": "server_vad", "threshold": 2}}}}, None),
        ({"include": ["item.input_audio_transcription.logprobs"]}, "session.include"),
        ({"tools": [{"type": "mcp", "server_label": "a"}]}, "session.tools.0.type"),
        ({"temperature": 3}, "session.temperature"),
        ({"top_p": 0.8}, "session.top_p"),
        ({"type": "translation"}, "session"),
    ],
)
def test_what_is_not_served_is_refused_by_the_name_that_the_client_wrote(session, param):
    with pytest.raises(RequestError) as caught:
        update(**session)
    assert caught.value.param == (param or "session.audio.input.turn_detection.threshold")


ITEMS = [
    {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a"}]},
    {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "a"}]},
    {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "a"}]},
    {"type": "function_call", "name": "f", "arguments": "{}", "call_id": "call_1"},
    {"type": "function_call_output", "call_id": "call_1", "output": "1"},
]


@pytest.mark.parametrize("item", ITEMS)
def test_items_are_those_of_the_official_package(item):
    event = read_event({"type": "conversation.item.create", "item": item, "previous_item_id": "root"}, EVENTS_BY_TYPE)
    added = p.ConversationItemAdded(previous_item_id=None, item=event.item.model_copy(update={"id": "item_1"}))
    TypeAdapter(RealtimeServerEvent).validate_json(added.model_dump_json(), strict=True)


@pytest.mark.parametrize("kind", ["mcp_approval_response", 5, None])
def test_an_item_of_an_unknown_kind_is_refused_with_those_that_are_known(kind):
    with pytest.raises(RequestError, match="function_call_output"):
        read_event({"type": "conversation.item.create", "item": {"type": kind}}, EVENTS_BY_TYPE)
