"""Sockets under clients that mean no good, or are slow: what they can make the server hold is bounded."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import threading
import time
import tracemalloc
import weakref

import PIL.Image
import pytest
import websockets
from starlette.websockets import WebSocket
from tests.serving.conftest import running_server

from omniloom.serving.realtime import Outbox, RealtimeSession, parsing, session
from omniloom.serving.realtime import protocol as p
from omniloom.serving.realtime.answering import responder
from omniloom.serving.realtime.limits import Limits, RequestError
from omniloom.serving.socket import MAX_AHEAD, SHORT_CHARS
from omniloom.stream.parts import Image


@pytest.fixture
def connect(server):
    """Opens a socket of the server that serves the stand-in."""
    return lambda path="realtime?model=fake", **options: websockets.connect(
        f"ws://{server}/v1/{path}", max_size=None, **options
    )


async def next_of(socket, kind):
    while True:
        event = json.loads(await asyncio.wait_for(socket.recv(), 20))
        if event["type"] == kind:
            return event


async def update(socket, **changes):
    await socket.send(json.dumps({"type": "session.update", "session": changes}))


def test_the_dialect_is_chosen_by_the_header_or_by_a_browsers_subprotocol(connect):
    async def first_session(path="realtime?model=fake", **options):
        async with connect(path, **options) as socket:
            return (await next_of(socket, "session.created"))["session"], socket.subprotocol

    async def all_of_them():
        header = {"OpenAI-Beta": "realtime=v1"}
        browser = ["realtime", "openai-insecure-api-key.none", "openai-beta.realtime-v1"]
        return await asyncio.gather(
            first_session(),
            first_session(additional_headers={"OpenAI-Beta": "assistants=v2"}),
            first_session(additional_headers=header),
            first_session(subprotocols=browser),
        )

    found = asyncio.run(all_of_them())
    assert ["modalities" in session for session, _ in found] == [False, False, True, True]
    assert [subprotocol for _, subprotocol in found] == [None, None, None, "realtime"]


def test_a_browsers_subprotocol_is_taken_by_the_live_protocol_too(connect):
    async def taken():
        async with connect("live/sessions", subprotocols=["realtime", "openai-insecure-api-key.none"]) as socket:
            return socket.subprotocol

    assert asyncio.run(taken()) == "realtime"


def test_another_model_is_refused_in_the_dialects_words(connect):
    async def asked(path):
        async with connect(path) as socket:
            if path == "live/sessions":
                await socket.send(json.dumps({"type": "session.start", "session": {"model": "other"}}))
                return (await next_of(socket, "error"))["error"]["code"], None
            error = await next_of(socket, "error")
            with pytest.raises(websockets.ConnectionClosed):
                await socket.recv()
            return error["error"]["code"], socket.close_code

    assert asyncio.run(asked("realtime?model=other")) == ("model_not_found", 4004)
    assert asyncio.run(asked("live/sessions")) == ("model_not_found", None)


DIALECTS = {
    "ga": ("realtime?model=fake", {}),
    "beta": ("realtime?model=fake", {"OpenAI-Beta": "realtime=v1"}),
    "live": ("live/sessions", {}),
}
MANY = 8 * 1024 * 1024 // len("[],") - 100


LARGE = [
    ('{"type":"session.update","session":[' + "[]," * MANY + "[]]}", "too_many_values"),
    ('{"type":"session.update","session":' + '{"a":' * 70_000 + "0" + "}" * 70_000 + "}", "too_many_values"),
    ("[" * 70_000, "too_many_values"),
    ('{"type":"' + "session.update" * 500_000 + '"}', "unknown_event_type"),
    (
        '{"type":"session.update","session":{"type":"realtime","' + "é" * 4_000_000 + '":1}}',
        "unsupported_field",
    ),
]
LARGE_NAMES = ["lists", "objects", "open-lists", "type", "name"]


@pytest.mark.parametrize("event", [event for event, _ in LARGE], ids=LARGE_NAMES)
def test_an_event_takes_no_more_memory_than_a_few_times_its_length(event):
    """What it costs to refuse it; a parsed one of 8 MiB took 200 MiB and more."""
    tracemalloc.start()
    try:
        with pytest.raises(RequestError):
            parsing.read_message(event, Limits(), parsing.EVENTS_BY_TYPE)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 6 * len(event.encode())


class WatchedText(str):
    """As any, and one can see whether it is still held."""


@pytest.mark.parametrize("length", [10, 2 * SHORT_CHARS], ids=["short", "long"])
def test_a_socket_at_rest_holds_no_message(connect, monkeypatch, length):
    receive, seen = WebSocket.receive, []

    async def watched(socket):
        message = dict(await receive(socket))
        if "text" in message:
            message["text"] = WatchedText(message["text"])
            seen.append(weakref.ref(message["text"]))
        return message

    monkeypatch.setattr(WebSocket, "receive", watched)

    async def held():
        async with connect() as socket:
            await socket.send(json.dumps({"type": "x" * length}))
            await next_of(socket, "error")
            deadline_s = time.monotonic() + 10
            while any(text() is not None for text in seen) and time.monotonic() < deadline_s:
                await asyncio.sleep(0.01)
            return [text() is not None for text in seen]

    assert asyncio.run(held()) == [False]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("is_binary", [False, True], ids=["text", "binary"])
@pytest.mark.parametrize(("event", "code"), LARGE, ids=LARGE_NAMES)
def test_an_event_that_would_be_large_in_memory_is_told_in_a_few_words(
    connect, monkeypatch, dialect, is_binary, event, code
):
    parse, parsed = parsing.from_json, []

    def noted(message):
        parsed.append(len(message))
        return parse(message)

    monkeypatch.setattr(parsing, "from_json", noted)

    async def asked():
        path, headers = DIALECTS[dialect]
        async with connect(path, additional_headers=headers) as socket:
            await socket.send(event.encode() if is_binary else event)
            text = ""
            while '"error"' not in text:
                text = await asyncio.wait_for(socket.recv(), 20)
            await socket.send('{"type":"nonsense"}')
            return text, (await next_of(socket, "error"))["error"]["code"]

    told, told_next = asyncio.run(asked())
    error = json.loads(told)["error"]
    assert error["code"] == code and len(told) < 2_000
    assert told_next == "unknown_event_type", "the session did not go on"
    if code == "too_many_values":
        assert f"over {Limits().json_values:,} values; send fewer" in error["message"]
        assert max(parsed) < 100, "it was parsed"


@pytest.mark.parametrize("gap", ["", " " * 100_000], ids=["dense", "spread"])
@pytest.mark.parametrize("encode", [str, str.encode], ids=["text", "binary"])
def test_values_of_an_event_are_counted_one_by_one(gap, encode):
    lists = encode("[[" + f",{gap}".join(["1", "{}"] * 25) + "]]")
    # 49 commas, 25 objects, and the two lists that they stand in.
    assert not parsing.holds_over(lists, 76) and parsing.holds_over(lists, 75)


def test_a_flood_is_read_only_as_fast_as_it_is_followed(connect, omni, monkeypatch):
    """Of one socket a few messages wait, whatever it sends, and another's are followed meanwhile."""
    may_go_on = threading.Event()
    follow = RealtimeSession.handle

    def slow(self, message):
        if "flood" in str(message)[:64]:
            may_go_on.wait(10)
        follow(self, message)

    monkeypatch.setattr(RealtimeSession, "handle", slow)

    async def flood():
        async with connect() as flooding, connect() as other:
            text = json.dumps({"event_id": "flood", "type": "input_audio_buffer.clear"})

            async def send():
                for _ in range(2_000):
                    await flooding.send(text + " " * 10_000)

            sending = asyncio.create_task(send())
            await asyncio.sleep(0.5)
            is_held_back = not sending.done()
            may_go_on.set()
            await update(other, output_modalities=["text"])
            await next_of(other, "session.updated")
            await sending
            for _ in range(2_000):
                await next_of(flooding, "input_audio_buffer.cleared")
            return is_held_back

    assert asyncio.run(flood()), "20 MB were taken in though nothing was followed"


@pytest.mark.parametrize("name", ["input_image", "\\u0069nput_image"])
def test_a_picture_that_takes_long_to_open_holds_up_no_other_client(connect, monkeypatch, name):
    may_open, is_opening = threading.Event(), threading.Event()
    opened = Image.open

    def slow(data, **options):
        is_opening.set()
        assert may_open.wait(20)
        return opened(data, **options)

    monkeypatch.setattr(Image, "open", slow)
    file = io.BytesIO()
    PIL.Image.new("1", (4, 4)).save(file, "PNG")
    uri = "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
    item = {"type": "message", "role": "user", "content": [{"type": "input_image", "image_url": uri}]}
    text = json.dumps({"type": "conversation.item.create", "item": item}).replace("input_image", name)

    async def talk():
        async with connect() as painter, connect() as other:
            await painter.send(text)
            assert await asyncio.to_thread(is_opening.wait, 20)
            try:
                await is_heard(other)
            finally:
                may_open.set()
            await next_of(painter, "conversation.item.done")

    asyncio.run(talk())


async def is_heard(socket):
    """By the thread that all sessions share."""
    await socket.send(json.dumps({"type": "input_audio_buffer.clear"}))
    await asyncio.wait_for(next_of(socket, "input_audio_buffer.cleared"), 5)


LOOK = {"type": "function", "name": "look", "parameters": {"type": "object"}}


@pytest.mark.parametrize(
    "slow_event",
    [
        {"type": "session.update", "session": {"type": "realtime", "tools": [LOOK]}},
        {"type": "response.create", "response": {"tools": [LOOK], "instructions": "look"}},
    ],
    ids=lambda event: event["type"],
)
@pytest.mark.parametrize("escaped", ["tools", "session.update"])
def test_schemas_that_take_long_to_read_hold_up_no_other_client(connect, monkeypatch, slow_event, escaped):
    may_go_on, is_reading = threading.Event(), threading.Event()
    rules_of = session.tool_rules

    def slow(*arguments, **options):
        is_reading.set()
        assert may_go_on.wait(20)
        return rules_of(*arguments, **options)

    for module in (session, responder):
        monkeypatch.setattr(module, "tool_rules", slow)
    text = json.dumps(slow_event).replace(escaped, f"\\u00{ord(escaped[0]):02x}{escaped[1:]}")

    async def talk():
        async with connect() as slow_one, connect() as other:
            await slow_one.send(text)
            assert await asyncio.to_thread(is_reading.wait, 20)
            try:
                await is_heard(other)
            finally:
                may_go_on.set()
            await next_of(slow_one, "session.updated" if slow_event["type"] == "session.update" else "response.done")

    asyncio.run(talk())


def test_a_turn_that_ends_reads_no_schema_again(client, sound, monkeypatch):
    """The thread that finds its end is the one that all sessions share."""
    client.send(type="session.update", session={"tools": [LOOK]})
    client.until("session.updated")

    def again(*arguments, **options):
        raise AssertionError("the schemas are read again")

    for module in (session, responder):
        monkeypatch.setattr(module, "tool_rules", again)
    client.send(type="session.update", session={"output_modalities": ["text"]})
    client.send(type="input_audio_buffer.append", audio=sound(400))
    client.send(type="input_audio_buffer.append", audio=sound(800, loud=False))
    assert client.until("response.done")[-1]["response"]["status"] == "completed"
    client.say("call me")
    assert client.until("response.done")[-1]["response"]["output"][0]["type"] == "function_call"


def test_long_and_short_messages_keep_their_order(connect):
    async def talk():
        async with connect() as socket:
            expected = []
            for number in range(20):
                filler = " " * (SHORT_CHARS if number % 3 == 0 else 10)
                event = {"type": "response.cancel", "event_id": f"e{number}"}
                await socket.send(json.dumps(event) + filler)
                expected.append(f"e{number}")
            return expected, [(await next_of(socket, "error"))["error"]["event_id"] for _ in expected]

    expected, found = asyncio.run(talk())
    assert found == expected and len(expected) > MAX_AHEAD


def test_what_a_slow_reader_has_not_read_is_bounded_and_it_is_told():
    outbox = Outbox(limit_bytes=2_000)
    for _ in range(100):
        outbox.put(p.InputAudioBufferCleared())
    assert "read faster" in (outbox.closed_because or "") and outbox.pop() is None


@pytest.mark.parametrize("path", ["realtime?model=fake", "live/sessions"])
def test_a_session_that_lasts_too_long_is_told_so(omni, path):
    async def talk(address):
        async with websockets.connect(f"ws://{address}/v1/{path}") as socket:
            if path == "live/sessions":
                await socket.send(json.dumps({"type": "session.start", "session": {"model": "fake"}}))
                reason = (await next_of(socket, "session.closed"))["reason"]
            else:
                reason = (await next_of(socket, "error"))["error"]["code"]
            with pytest.raises(websockets.ConnectionClosedOK):
                await asyncio.wait_for(socket.recv(), 20)
            return reason, socket.close_code

    with running_server(omni, model_name="fake", limits=Limits(session_s=0.5)) as address:
        reason, code = asyncio.run(talk(address))
    assert (reason, code) == ("expired" if path == "live/sessions" else "session_expired", 1000)


def test_a_client_that_reads_nothing_is_cut_off(omni):
    """It asks for its settings again and again and reads none of them; the server does not wait for it."""

    async def talk(address):
        async with websockets.connect(f"ws://{address}/v1/realtime?model=fake", max_queue=1) as socket:
            with pytest.raises(websockets.ConnectionClosed):
                while True:
                    await update(socket, instructions="x" * 30_000)

    limits = Limits(unsent_bytes=100_000, cut_off_s=0.2)
    with running_server(omni, model_name="fake", limits=limits) as address:
        asyncio.run(asyncio.wait_for(talk(address), 60))
