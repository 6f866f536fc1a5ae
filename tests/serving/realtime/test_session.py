"""What a session does with every event, right and wrong, and that nothing a client sends ends it."""

from __future__ import annotations

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image as PillowImage
from tests.serving.conftest import FakeConversation

from omniloom.generation import OutOfCache
from omniloom.serving.realtime.limits import Limits
from omniloom.serving.realtime.media import decode_pcm


def types(events):
    return [event["type"] for event in events]


def picture_uri(side=8, kind="PNG"):
    buffer = io.BytesIO()
    PillowImage.new("RGB", (side, side), "red").save(buffer, kind)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def test_a_text_answer_has_the_events_of_the_ga_protocol_in_order(client):
    client.say("two words", output_modalities=["text"])
    events = client.until("response.done")
    assert types(events) == [
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "conversation.item.done",
        "response.done",
    ]
    assert events[8]["text"] == "two words"
    response = events[-1]["response"]
    assert (response["status"], response["status_details"]) == ("completed", None)
    assert response["output"][0]["content"] == [{"type": "output_text", "text": "two words"}]
    assert events[4]["previous_item_id"] == events[0]["item"]["id"]
    assert response["usage"]["total_tokens"] == 7 + 2 and response["usage"]["input_token_details"]["cached_tokens"] == 5
    assert len({event["event_id"] for event in events}) == len(events)


def test_a_spoken_answer_comes_as_24_khz_sound_with_its_transcript(client):
    client.say("two words")
    events = client.until("response.done")
    deltas = [event["delta"] for event in events if event["type"] == "response.output_audio.delta"]
    samples = np.concatenate([decode_pcm(delta, param="delta") for delta in deltas])
    assert samples.size == 2 * 240 * 24
    done = next(event for event in events if event["type"] == "response.output_audio_transcript.done")
    assert done["transcript"] == "two words"
    assert types(events)[-6:] == [
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "response.output_item.done",
        "conversation.item.done",
        "response.done",
    ]


def test_a_picture_is_shown_as_it_is_drawn_after_its_words(client):
    client.say("draw big red circle top left", output_modalities=["image"])
    events = client.until("response.done")
    images = [event for event in events if "output_image" in event["type"]]
    assert types(images) == ["response.output_image.delta"] * 2 + ["response.output_image.done"]
    assert {event["content_index"] for event in images} == {1}
    pixels = np.asarray(PillowImage.open(io.BytesIO(base64.b64decode(images[-1]["image"]))))
    assert pixels.shape == (64, 64, 3) and tuple(pixels[16, 16]) == (225, 30, 30)
    contents = [content["type"] for content in events[-1]["response"]["output"][0]["content"]]
    assert contents == ["output_text", "output_image"]


def test_committed_sound_is_heard_whole_whatever_its_pieces(client, sound, omni):
    client.manual()
    for _ in range(10):
        client.send(type="input_audio_buffer.append", audio=sound(37))
    client.send(type="input_audio_buffer.commit")
    assert types(client.until("conversation.item.done"))[0] == "input_audio_buffer.committed"
    client.send(type="response.create", response={"output_modalities": ["text"]})
    events = client.until("response.done")
    assert events[-1]["response"]["output"][0]["content"][0]["text"] == "heard 370 ms"


def test_speech_is_noticed_answered_and_given_to_the_model_without_its_closing_silence(client, sound):
    client.send(type="session.update", session={"output_modalities": ["text"]})
    client.until("session.updated")
    client.send(type="input_audio_buffer.append", audio=sound(960, loud=False))
    for _ in range(20):
        client.send(type="input_audio_buffer.append", audio=sound(32))
    client.send(type="input_audio_buffer.append", audio=sound(800, loud=False))
    events = client.until("response.done")
    assert types(events)[:5] == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
    ]
    started, stopped, committed = events[:3]
    assert started["item_id"] == stopped["item_id"] == committed["item_id"]
    assert 960 - 300 - 64 <= started["audio_start_ms"] <= 960
    assert 960 + 640 + 500 <= stopped["audio_end_ms"] <= 960 + 640 + 500 + 64
    heard_ms = int(events[-1]["response"]["output"][0]["content"][0]["text"].split()[1])
    assert 640 <= heard_ms <= 640 + 40 + 2 * 32


def test_a_commit_while_someone_speaks_makes_an_item_and_no_answer(client, sound):
    client.send(type="input_audio_buffer.append", audio=sound(300))
    client.send(type="input_audio_buffer.commit")
    assert types(client.until("conversation.item.done"))[-3:] == [
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
    ]
    assert not client.session.is_answering
    client.send(type="response.create", response={"output_modalities": ["text"]})
    assert client.until("response.done")[-1]["response"]["status"] == "completed"


def test_times_of_speech_count_all_sound_of_the_session(client, sound):
    client.send(type="input_audio_buffer.append", audio=sound(960, loud=False))
    client.send(type="input_audio_buffer.clear")
    client.until("input_audio_buffer.cleared")
    client.manual()
    client.send(type="input_audio_buffer.append", audio=sound(960, loud=False))
    client.send(type="session.update", session={"audio": {"input": {"turn_detection": {"type": "server_vad"}}}})
    client.until("session.updated")
    client.send(type="input_audio_buffer.append", audio=sound(640))
    client.send(type="input_audio_buffer.append", audio=sound(800, loud=False))
    started, stopped = client.until("input_audio_buffer.committed")[:2]
    # A resampler that begins anew has swallowed the last few milliseconds before.
    assert 1920 - 64 <= started["audio_start_ms"] <= 1920
    assert 1920 + 640 + 500 - 64 <= stopped["audio_end_ms"] <= 1920 + 640 + 500 + 64


def semantic(client):
    client.send(type="session.update", session={"audio": {"input": {"turn_detection": {"type": "semantic_vad"}}}})


def test_a_model_that_reads_the_end_of_a_turn_ends_it_without_any_more_sound(new_client, sound, omni):
    omni.reads_turn_end = True
    client = new_client()
    semantic(client)
    assert client.until("session.updated")[-1]["session"]["audio"]["input"]["turn_detection"]["type"] == "semantic_vad"
    client.send(type="input_audio_buffer.append", audio=sound(320))
    client.send(type="input_audio_buffer.append", audio=sound(192, loud=False))
    events = client.until("response.done")
    stopped = next(event for event in events if event["type"] == "input_audio_buffer.speech_stopped")
    assert 320 + 60 <= stopped["audio_end_ms"] <= 320 + 192
    assert events[-1]["response"]["status"] == "completed"


def test_an_end_told_while_an_answer_may_not_be_interrupted_is_an_error_and_nothing_is_forgotten(
    new_client, sound, omni
):
    omni.reads_turn_end = True
    omni.hold(after_words=1)
    client = new_client()
    turn_detection = {"type": "semantic_vad", "interrupt_response": False}
    client.send(type="session.update", session={"audio": {"input": {"turn_detection": turn_detection}}})
    client.say("one two", output_modalities=["text"])
    client.until("response.output_text.delta")
    client.send(type="input_audio_buffer.append", audio=sound(320))
    client.send(type="input_audio_buffer.append", audio=sound(5_000, loud=False))
    assert client.until("error")[-1]["error"]["code"] == "conversation_already_has_active_response"
    omni.release()
    assert client.until("response.done")[-1]["response"]["status"] == "completed"


@pytest.mark.parametrize("reads_turn_end", [None, False])
def test_semantic_vad_is_refused_where_no_model_can_tell(new_client, omni, reads_turn_end):
    omni.reads_turn_end = reads_turn_end is False
    client = new_client(reads_turn_end=reads_turn_end)
    semantic(client)
    error = client.until("error")[-1]["error"]
    assert error["param"] == "session.audio.input.turn_detection.type" and "server_vad" in error["message"]


def test_speech_that_starts_cancels_the_answer_and_the_next_one_follows(client, sound, omni):
    omni.hold(after_words=1)
    client.say("one two three four", output_modalities=["text"])
    client.until("response.output_text.delta")
    client.send(type="input_audio_buffer.append", audio=sound(300))
    assert client.next()["type"] == "input_audio_buffer.speech_started"
    omni.release()
    events = client.until("response.done")
    assert "response.output_text.delta" not in types(events)
    response = events[-1]["response"]
    assert response["status"] == "cancelled" and response["status_details"]["reason"] == "turn_detected"
    client.send(type="input_audio_buffer.append", audio=sound(700, loud=False))
    assert client.until("response.done")[-1]["response"]["status"] == "completed"


def test_speech_leaves_the_answer_alone_where_interrupting_is_off(client, sound, omni):
    detection = {"type": "server_vad", "interrupt_response": False, "create_response": False}
    client.send(type="session.update", session={"audio": {"input": {"turn_detection": detection}}})
    omni.hold(after_words=1)
    client.say("one two")
    client.until("response.output_audio.delta")
    client.send(type="input_audio_buffer.append", audio=sound(300))
    omni.release()
    events = client.until("response.done")
    assert "input_audio_buffer.speech_started" in types(events)
    assert events[-1]["response"]["status"] == "completed"


def test_a_client_cancels_and_the_session_goes_on(client, omni):
    omni.hold(after_words=1)
    client.say("one two three", output_modalities=["text"])
    created = client.until("response.output_text.delta")
    response_id = next(event["response"]["id"] for event in created if event["type"] == "response.created")
    client.send(type="response.cancel", response_id="resp_other", event_id="mine")
    assert client.next()["error"]["event_id"] == "mine"
    client.send(type="response.cancel", response_id=response_id)
    omni.release()
    response = client.until("response.done")[-1]["response"]
    assert response["status"] == "cancelled" and response["status_details"]["reason"] == "client_cancelled"
    client.send(type="response.cancel")
    assert client.next()["error"]["code"] == "response_cancel_not_active"
    client.say("again")
    assert client.until("response.done")[-1]["response"]["status"] == "completed"


def test_a_second_answer_at_once_is_refused(client, omni):
    omni.hold(after_words=0)
    client.say("one")
    client.say("two")
    assert client.until("error")[-1]["error"]["code"] == "conversation_already_has_active_response"
    omni.release()
    assert client.until("response.done")[-1]["response"]["status"] == "completed"


def test_a_reply_at_its_token_limit_is_incomplete(client):
    client.say("one two three", output_modalities=["text"], max_output_tokens=2)
    response = client.until("response.done")[-1]["response"]
    assert response["status"] == "incomplete" and response["status_details"]["reason"] == "max_output_tokens"


def test_pictures_and_words_reach_the_model_in_order(client, omni):
    content = [
        {"type": "input_image", "image_url": picture_uri(kind="JPEG")},
        {"type": "input_text", "text": "make it blue"},
    ]
    client.send(type="conversation.item.create", item={"type": "message", "role": "user", "content": content})
    client.send(type="response.create", response={"output_modalities": ["text"]})
    events = client.until("response.done")
    assert events[0]["item"]["content"][0] == {"type": "input_image", "image_url": None, "detail": "auto"}
    assert events[-1]["response"]["output"][0]["content"][0]["text"] == "make it blue"


WRONG = [
    ("not json", "invalid_json"),
    ("[]", "invalid_event"),
    ("{}", "missing_type"),
    ({"type": "response.creat"}, "unknown_event_type"),
    ({"type": "response.create", "response": {"voice": "x"}}, "unsupported_field"),
    ({"type": "session.update", "session": {"output_modalities": ["smell"]}}, "invalid_value"),
    ({"type": "session.update", "session": {"output_modalities": []}}, "invalid_value"),
    ({"type": "session.update"}, "invalid_value"),
    ({"type": "input_audio_buffer.append", "audio": "***"}, "invalid_base64"),
    ({"type": "input_audio_buffer.append", "audio": "AAAA"}, "invalid_audio"),
    ({"type": "input_audio_buffer.append", "audio": 5}, "invalid_value"),
    ({"type": "input_audio_buffer.append", "audio": "A" * 4_000_000}, "input_audio_buffer_full"),
    ({"type": "input_audio_buffer.commit"}, "input_audio_buffer_commit_empty"),
    ({"type": "response.create"}, "nothing_to_answer"),
    ({"type": "response.cancel"}, "response_cancel_not_active"),
]
WRONG_CONTENT = [
    ({"type": "input_text", "text": "  "}, "invalid_value"),
    ({"type": "input_text", "text": "a" * 4001}, "text_too_long"),
    ({"type": "input_audio", "audio": "AAAA"}, "invalid_audio"),
    ({"type": "input_audio"}, "audio_too_short"),
    ({"type": "input_video"}, "invalid_value"),
    ({"type": "input_image"}, "invalid_image_url"),
    ({"type": "input_image", "image_url": "http://example.com/a.png"}, "invalid_image_url"),
    ({"type": "input_image", "image_url": "data:image/png;base64,AAAA"}, "invalid_image"),
    ({"type": "input_image", "image_url": picture_uri()[:-40]}, "invalid_image"),
    ({"type": "input_image", "image_url": picture_uri(side=4200)}, "invalid_image"),
]


@pytest.mark.parametrize(("event", "code"), WRONG)
def test_a_wrong_event_is_one_error_and_the_session_lives(client, event, code):
    client.session.handle(event if isinstance(event, str) else json.dumps(event | {"event_id": "mine"}))
    error = client.next()
    assert error["type"] == "error" and error["error"]["code"] == code
    assert error["error"]["event_id"] == (None if isinstance(event, str) else "mine")
    client.say("hello")
    assert client.until("response.done")[-1]["response"]["status"] == "completed"


@pytest.mark.parametrize(("content", "code"), WRONG_CONTENT)
def test_wrong_content_is_one_error_and_adds_nothing(client, omni, content, code):
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "fine"}, content]}
    client.send(type="conversation.item.create", item=item)
    assert client.next()["error"]["code"] == code
    client.send(type="response.create")
    assert client.next()["error"]["code"] == "nothing_to_answer"
    assert omni.conversations[0].given == []


def test_many_pictures_that_are_small_only_on_the_wire_are_refused_together(new_client, omni):
    client = new_client(limits=Limits(total_image_pixels=100))
    content = [{"type": "input_image", "image_url": picture_uri(side=8)}]
    client.send(type="conversation.item.create", item={"type": "message", "role": "user", "content": content * 2})
    error = client.next()["error"]
    assert (error["code"], error["param"]) == ("image_too_large", "item.content.1.image_url")
    client.send(type="conversation.item.create", item={"type": "message", "role": "user", "content": content})
    assert client.next()["type"] == "conversation.item.added"


def test_the_pictures_of_a_response_are_counted_together_and_bound_what_waits(new_client, omni):
    content = [{"type": "input_image", "image_url": picture_uri(side=8)}]
    messages = [{"type": "message", "role": "user", "content": content}] * 2
    client = new_client(limits=Limits(total_image_pixels=100))
    client.send(type="response.create", response={"conversation": "none", "input": messages})
    error = client.next()["error"]
    assert (error["code"], error["param"]) == ("image_too_large", "response.input.1.content.0.image_url")
    client = new_client(limits=Limits(waiting_bytes=300))
    client.send(type="response.create", response={"conversation": "none", "input": messages})
    assert client.outbox.closed_because is not None


def test_a_client_that_fills_the_memory_of_what_waits_is_closed(new_client, omni):
    client = new_client(limits=Limits(waiting_bytes=300))
    omni.hold(after_words=0)
    client.say("one")
    client.until("response.output_item.added")
    content = [{"type": "input_image", "image_url": picture_uri(side=8)}]
    for _ in range(2):
        client.send(type="conversation.item.create", item={"type": "message", "role": "user", "content": content})
    assert client.outbox.closed_because is not None


def test_an_event_beyond_the_size_limit_is_refused(new_client):
    client = new_client(limits=Limits(event_bytes=1000))
    client.send(type="input_audio_buffer.append", audio="A" * 1000)
    assert client.next()["error"]["code"] == "event_too_large"
    client.say("hello")
    assert client.until("response.done")[-1]["response"]["status"] == "completed"


def test_what_the_model_refuses_is_told_and_the_next_turn_works(client, omni):
    client.say("refuse")
    events = client.until("response.done")
    assert any("the fake refuses this" in event["error"]["message"] for event in events if event["type"] == "error")
    client.say("hello", output_modalities=["text"])
    assert client.until("response.done")[-1]["response"]["status"] == "completed"


def test_a_model_that_breaks_fails_the_response_and_not_the_session(client, caplog):
    client.say("break")
    response = client.until("response.done")[-1]["response"]
    assert response["status"] == "failed" and response["status_details"]["error"]["code"] == "internal_error"
    assert "the fake is broken" in caplog.text
    client.say("hello")
    assert client.until("response.done")[-1]["response"]["status"] == "completed"


def test_a_cache_that_is_full_for_a_while_forgets_nothing(client, omni, monkeypatch):
    client.say("one", output_modalities=["text"])
    client.until("response.done")

    def full(conversation, turns):
        raise OutOfCache("no room")

    with monkeypatch.context() as patch:
        patch.setattr(FakeConversation, "restate", full)
        content = [{"type": "input_text", "text": "lost"}]
        client.send(type="conversation.item.create", item={"type": "message", "role": "user", "content": content})
        assert client.until("error")[-1]["error"]["code"] == "server_busy"
    client.say("two", output_modalities=["text"])
    client.until("response.done")
    assert [omni.turns.text(turn) for turn in omni.last_turns] == ["one", "one", "two"]


def test_session_update_changes_what_is_given_and_keeps_the_rest(client):
    detection = {"type": "server_vad", "silence_duration_ms": 200}
    client.send(type="session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": detection}}})
    session = client.next()["session"]
    assert session["audio"]["input"]["turn_detection"]["silence_duration_ms"] == 200
    client.send(type="session.update", session={"output_modalities": ["text"]})
    session = client.next()["session"]
    assert session["audio"]["input"]["turn_detection"]["silence_duration_ms"] == 200
    assert session["output_modalities"] == ["text"]
    client.send(type="session.update", session={"audio": {"input": {"turn_detection": None}}})
    assert client.next()["session"]["audio"]["input"]["turn_detection"] is None


def test_a_slow_reader_is_cut_off_and_not_stored_for(new_client):
    client = new_client(unsent_bytes=20_000)
    client.say("one two three four five six seven eight nine ten")
    assert client.session.join(timeout_s=5)
    assert "bytes of events wait" in client.outbox.closed_because
    assert client.outbox.pop() is None


def test_closing_in_the_middle_of_an_answer_ends_its_thread(client, omni):
    omni.hold(after_words=1)
    client.say("one two three")
    client.until("response.output_audio.delta")
    client.session.close()
    omni.release()
    assert client.session.join(timeout_s=5)


def test_speech_that_is_cleared_while_it_is_heard_was_never_said(client, sound, omni):
    client.send(type="input_audio_buffer.append", audio=sound(300))
    assert client.next()["type"] == "input_audio_buffer.speech_started"
    client.send(type="input_audio_buffer.clear")
    assert client.next()["type"] == "input_audio_buffer.cleared"
    client.send(type="response.create")
    assert client.next()["error"]["code"] == "nothing_to_answer"
    client.say("hello", output_modalities=["text"])
    assert client.until("response.done")[-1]["response"]["output"][0]["content"][0]["text"] == "hello"
    assert omni.conversations[-1].heard_s == 0


def test_changing_turn_detection_in_the_middle_of_speech_ends_the_turn_unanswered(client, sound):
    client.send(type="input_audio_buffer.append", audio=sound(300))
    client.send(type="session.update", session={"audio": {"input": {"turn_detection": None}}})
    kinds = types(client.until("session.updated"))
    assert kinds[:3] == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
    ]
    client.send(type="response.create", response={"output_modalities": ["text"]})
    assert client.until("response.done")[-1]["response"]["status"] == "completed"


@pytest.mark.parametrize("turns", [None, 0, 2])
def test_as_many_turns_are_remembered_as_asked(new_client, omni, turns):
    client = new_client(turns_remembered=turns)
    for number in range(4):
        client.say(f"turn {number}")
        client.until("response.done")
    client.say("last")
    client.until("response.done")
    remembered = 4 if turns is None else turns
    assert len(omni.last_turns) == 2 * remembered + 1
