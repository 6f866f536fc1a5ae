"""The beta dialect says what the GA protocol says: the official package's beta models take it, and nothing is lost."""

from __future__ import annotations

import json

import pytest
from openai.types.beta.realtime import RealtimeClientEvent, RealtimeServerEvent

from omniloom.serving.beta import BetaSession
from omniloom.serving.beta import protocol as b
from omniloom.serving.beta.translation import to_beta, to_ga
from omniloom.serving.realtime import Outbox, RealtimeSession
from omniloom.serving.realtime import protocol as p


def literals_of(union):
    """The `type` of each event in one of the official package's unions."""
    return {member.model_fields["type"].annotation.__args__[0] for member in union.__args__[0].__args__}


def test_every_client_event_of_the_official_package_is_known():
    assert {p.event_type(event) for event in b.CLIENT_EVENTS} == literals_of(RealtimeClientEvent)


def test_every_server_event_is_of_the_official_package_but_for_the_extensions():
    ours = {p.event_type(event) for event in b.SERVER_EVENTS}
    assert ours - {*p.EXTENSIONS, "input_audio_buffer.timeout_triggered"} < literals_of(RealtimeServerEvent)


def as_of_openai(event):
    """The event with a name that OpenAI's beta models allow: they list those of its own models alone."""
    session = event.get("session", {})
    return {**event, "session": {**session, "model": "gpt-realtime"}} if "model" in session else event


@pytest.fixture
def beta(omni, check_official):
    """A session in the beta dialect: `send` an event, `next` and `until` read them, each checked by OpenAI's models."""

    class Beta:
        def __init__(self):
            self.outbox = Outbox(limit_bytes=1 << 24)
            self.session = BetaSession(
                lambda outbox: RealtimeSession(omni, outbox=outbox, model_name="fake"), outbox=self.outbox
            )

        def send(self, **event):
            self.session.handle(json.dumps(event))

        def next(self):
            text = self.outbox.get(timeout_s=5)
            check_official(RealtimeServerEvent, as_of_openai(json.loads(text)))
            return json.loads(text)

        def until(self, kind):
            events = [self.next()]
            while events[-1]["type"] != kind:
                events.append(self.next())
            return events

        def say(self, text, **response):
            content = [{"type": "input_text", "text": text}]
            self.send(type="conversation.item.create", item={"type": "message", "role": "user", "content": content})
            self.send(type="response.create", response=response)

    made = Beta()
    yield made
    omni.release()
    made.session.close()
    assert made.session.join(timeout_s=5)


def test_the_session_is_flat_and_changes_by_its_beta_names(beta):
    created = beta.next()["session"]
    assert created["modalities"] == ["text", "audio"] and created["turn_detection"]["type"] == "server_vad"
    beta.send(
        type="session.update",
        session={
            "modalities": ["text"],
            "turn_detection": None,
            "input_audio_transcription": {"model": "whisper-1"},
            "max_response_output_tokens": 7,
            "temperature": 0.8,
            "voice": "loom",
            "tool_choice": "none",
        },
    )
    updated = beta.next()["session"]
    changed = {name: value for name, value in updated.items() if created[name] != value}
    assert changed == {
        "modalities": ["text"],
        "turn_detection": None,
        "input_audio_transcription": {"model": "whisper-1", "language": None, "prompt": None},
        "max_response_output_tokens": 7,
        "temperature": 0.8,
        "tool_choice": "none",
    }


def test_a_spoken_answer_in_beta_names(beta, omni):
    beta.next()
    beta.say("two words", modalities=["text", "audio"], temperature=0.7)
    events = beta.until("response.done")
    kinds = [event["type"] for event in events]
    assert kinds == [
        "conversation.item.created",
        "response.created",
        "response.output_item.added",
        "conversation.item.created",
        "response.content_part.added",
        *["response.audio_transcript.delta", "response.audio.delta"] * 2,
        *["response.audio.delta"] * (kinds.count("response.audio.delta") - 2),
        "response.audio.done",
        "response.audio_transcript.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.done",
    ]
    response = events[-1]["response"]
    assert response["modalities"] == ["text", "audio"] and response["temperature"] == 0.7
    assert response["output"][0]["content"][0]["type"] == "audio"
    assert response["output"][0]["content"][0]["transcript"] == "two words"
    assert omni.sampled == [0.7]


def test_a_written_answer_and_temperature_0_by_default(beta, omni):
    beta.next()
    beta.say("two words", modalities=["text"])
    events = beta.until("response.done")
    assert "".join(e["delta"] for e in events if e["type"] == "response.text.delta") == "two words"
    assert events[-1]["response"]["output"][0]["content"] == [{"type": "text", "text": "two words"}]
    assert omni.sampled == [0.0]


@pytest.mark.parametrize(
    ("session", "param"),
    [
        ({"turn_detection": {"type": "server_vad", "threshold": 2}}, "session.turn_detection.threshold"),
        ({"input_audio_format": "mp3"}, "session.input_audio_format"),
        ({"audio": {"input": {}}}, "session.audio"),
        ({"output_modalities": ["text"]}, "session.output_modalities"),
        ({"max_response_output_tokens": 0}, "session.max_response_output_tokens"),
        ({"temperature": 3}, "session.temperature"),
        ({"input_audio_noise_reduction": {"type": "near_field"}}, "session.input_audio_noise_reduction"),
    ],
)
def test_what_is_wrong_is_named_as_the_client_wrote_it(beta, session, param):
    beta.next()
    beta.send(type="session.update", event_id="mine", session=session)
    error = beta.next()["error"]
    assert (error["param"], error["event_id"]) == (param, "mine")


@pytest.mark.parametrize(
    ("event", "param"),
    [
        ({"type": "session.update", "session": {"tool_choice": ""}}, "session.tool_choice"),
        ({"type": "response.create", "response": {"tool_choice": "x" * 65}}, "response.tool_choice"),
    ],
)
def test_a_tool_choice_that_the_ga_protocol_would_not_take_is_one_error(beta, event, param):
    beta.next()
    beta.send(**event, event_id="mine")
    error = beta.next()["error"]
    assert (error["code"], error["param"], error["event_id"]) == ("invalid_value", param, "mine")
    beta.say("hello", modalities=["text"])
    assert beta.until("response.done")[-1]["response"]["status"] == "completed"


@pytest.mark.parametrize(
    ("ga", "beta_name"),
    [
        ("session.audio.input.turn_detection.threshold", "session.turn_detection.threshold"),
        ("session.audio.output.voice", "session.voice"),
        ("response.audio.output.format.type", "response.output_audio_format.type"),
        ("response.max_output_tokens", "response.max_response_output_tokens"),
        ("session.output_modalities", "session.modalities"),
        ("item.content.0.text", "item.content.0.text"),
    ],
)
def test_errors_of_the_session_inside_name_the_beta_field(ga, beta_name):
    details = p.ErrorDetails(type="invalid_request_error", code="c", message=f"{ga}: no", param=ga)
    told = to_beta(p.Error(error=details))
    assert (told.error.param, told.error.message) == (beta_name, f"{beta_name}: no")


@pytest.mark.parametrize("format", ["pcm16", "g711_ulaw", "g711_alaw"])
def test_formats_go_there_and_come_back(format):
    asked = b.SessionUpdate(type="session.update", session=b.SessionSettings(input_audio_format=format))
    settings = to_ga(asked).session
    session = p.Session.model_validate({**settings.model_dump(exclude_unset=True), "id": "sess_1", "model": "tiny"})
    assert to_beta(p.SessionUpdated(session=session)).session.input_audio_format == format


def test_an_assistants_message_goes_there_and_comes_back():
    data = {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "a"}]}
    asked = b.ConversationItemCreate.model_validate({"type": "conversation.item.create", "item": data})
    item = to_ga(asked).item
    assert item.content == [p.OutputText(text="a")]
    told = to_beta(p.ConversationItemAdded(previous_item_id=None, item=item.model_copy(update={"id": "item_1"})))
    assert told.item.content == [b.Text(text="a")]
    assert to_beta(p.ConversationItemDone(previous_item_id=None, item=item)) is None


def test_a_transcription_session_is_the_ga_one_of_that_type(check_official):
    update = {
        "input_audio_format": "g711_ulaw",
        "input_audio_transcription": {"model": "whisper-1"},
        "turn_detection": {"type": "server_vad", "silence_duration_ms": 300},
    }
    event = b.TranscriptionSessionUpdate.model_validate({"type": "transcription_session.update", "session": update})
    settings = to_ga(event).session
    assert isinstance(settings, p.TranscriptionSettings) and settings.audio.input.format == p.PcmuFormat()
    held = p.TranscriptionSession.model_validate({**settings.model_dump(exclude_unset=True), "id": "sess_1"})
    told = to_beta(p.SessionUpdated(session=held))
    check_official(RealtimeServerEvent, json.loads(told.model_dump_json()))
    assert told.session.turn_detection.silence_duration_ms == 300
