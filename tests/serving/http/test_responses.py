"""Responses: the model's own text, events that the official types accept, and answers that are kept."""

from __future__ import annotations

import base64
import json
from typing import Any

import openai
import pytest
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel, TypeAdapter
from starlette.testclient import TestClient

from omniloom.data.scenes import parse_description, render
from omniloom.generation import Omni, Sampling
from omniloom.serving.http.store import Store

LONG_CALL = {"type": "function_call", "call_id": "call_1", "name": "paint", "arguments": "1" * 4_000}
QUESTION = "I see a green circle. What colour is the circle?"
SCHEMA = {"type": "object", "properties": {"colour": {"enum": ["red", "green"]}}, "required": ["colour"]}
TOOL = {"type": "function", "name": "paint", "parameters": {**SCHEMA, "additionalProperties": False}, "strict": True}


def ask(api: TestClient, given: Any = QUESTION, **fields: Any) -> Any:
    return api.post("/v1/responses", json={"model": "tiny", "input": given, **fields})


def text_of(answer: dict[str, Any]) -> str:
    return str(answer["output"][0]["content"][0]["text"])


def events_of(response: Any) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in response.text.split("\n") if line.startswith("data: ")]


def test_the_text_is_the_models_reply(api: TestClient, tiny: Omni) -> None:
    ramble = "xyzzy plugh, what of it"
    expected = tiny.reply(ramble, sampling=Sampling(temperature=1.5), seed=4, max_tokens=16)
    answer = ask(api, ramble, temperature=1.5, seed=4, max_output_tokens=16, metadata={"a": "b"}).json()
    assert text_of(answer) == expected.text and answer["metadata"] == {"a": "b"}
    assert answer["status"] == ("completed" if expected.finish_reason == "stop" else "incomplete")
    assert answer["usage"]["output_tokens"] == expected.usage.reply_tokens
    Response.model_validate(answer)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"max_output_tokens": 1},
        {"tools": [TOOL], "tool_choice": "required"},
        {"text": {"format": {"type": "json_schema", "name": "thing", "schema": SCHEMA}}},
        {"include": ["message.output_text.logprobs"], "top_logprobs": 2},
    ],
)
def test_events_lead_to_the_whole(api: TestClient, fields: dict[str, Any]) -> None:
    whole = ask(api, **fields).json()
    events = events_of(ask(api, stream=True, **fields))
    for event in events:
        TypeAdapter(ResponseStreamEvent).validate_python(event)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert [event["type"] for event in events[:2]] == ["response.created", "response.in_progress"]
    assert events[-1]["type"] == f"response.{whole['status']}"
    last = events[-1]["response"]
    for item in (whole["output"][0], last["output"][0]):
        for name in ("id", "call_id"):
            item.pop(name, None)
    assert last["output"] == whole["output"] and last["usage"] == whole["usage"]
    deltas = "".join(event["delta"] for event in events if event["type"].endswith(".delta"))
    item = whole["output"][0]
    assert deltas == (item["arguments"] if item["type"] == "function_call" else item["content"][0]["text"])


def test_answers_are_remembered_by_their_id(api: TestClient, tiny: Omni) -> None:
    conversation = tiny.conversation()
    conversation.add(QUESTION)
    list(conversation.reply())
    conversation.add("And its shape?")
    expected = list(conversation.reply())[-1].reply.text  # type: ignore[union-attr]
    for stream in (False, True):
        first = ask(api, stream=stream)
        name = events_of(first)[-1]["response"]["id"] if stream else first.json()["id"]
        assert text_of(ask(api, "And its shape?", previous_response_id=name).json()) == expected
        assert api.get(f"/v1/responses/{name}").json()["id"] == name
        assert api.delete(f"/v1/responses/{name}").json()["deleted"]
        assert api.get(f"/v1/responses/{name}").status_code == 404
    unkept = ask(api, store=False).json()["id"]
    assert ask(api, "And?", previous_response_id=unkept).status_code == 404


def test_items_and_pictures_are_taken(api: TestClient, tiny: Omni) -> None:
    scene = parse_description("big red circle top left")
    assert scene is not None
    png = render(scene).to_bytes("PNG")
    uri = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    question = {"type": "input_text", "text": "What colour is it?"}
    for part in (
        {"type": "input_image", "image_url": uri, "detail": "auto"},
        {"type": "input_file", "file_data": uri, "filename": "circle.png"},
    ):
        response = ask(api, [{"role": "user", "content": [question, part]}])
        assert text_of(response.json()) == tiny.reply(["What colour is it?", render(scene)]).text == "red"
    first = ask(api).json()["output"]
    items = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": QUESTION}, *first]
    response = ask(api, [*items, {"role": "user", "content": "And its shape?"}], instructions="Be kind.")
    assert response.status_code == 200 and response.headers["omniloom-unused"] == "instructions, input.0"


@pytest.mark.parametrize(
    ("fields", "status", "param"),
    [
        ({"model": "gpt-5"}, 404, "model"),
        ({"input": []}, 400, "input"),
        ({"input": " "}, 400, "input"),
        ({"input": [{"role": "assistant", "content": "a"}]}, 400, "input"),
        ({"input": [LONG_CALL]}, 400, "input.0.arguments"),
        ({"previous_response_id": "resp_none"}, 404, "previous_response_id"),
        ({"background": True}, 400, "background"),
        ({"reasoning": {"effort": "high"}}, 400, "reasoning"),
        ({"truncation": "auto"}, 400, "truncation"),
        ({"tools": [{"type": "web_search"}]}, 400, "tools.0.type"),
        ({"tool_choice": "required"}, 400, "tool_choice"),
        ({"top_logprobs": 3}, 400, "top_logprobs"),
        ({"text": {"format": {"type": "json_schema", "name": "x", "schema": {"multipleOf": 999983}}}}, 400, None),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(
    api: TestClient, fields: dict[str, Any], status: int, param: str | None
) -> None:
    response = api.post("/v1/responses", json={"model": "tiny", "input": QUESTION, **fields})
    assert response.status_code == status, response.text
    assert param is None or response.json()["error"]["param"] == param


class Colour(BaseModel):
    is_green: bool


def test_the_official_client_asks_parses_and_streams(client: openai.OpenAI, tiny: Omni) -> None:
    expected = tiny.reply(QUESTION).text
    first = client.responses.create(model="tiny", input=QUESTION)
    assert first.output_text == expected
    again = client.responses.create(model="tiny", input="And its shape?", previous_response_id=first.id)
    assert again.status == "completed" and client.responses.retrieve(first.id).output_text == expected
    parsed = client.responses.parse(model="tiny", input=QUESTION, text_format=Colour)
    assert isinstance(parsed.output_parsed, Colour)
    with client.responses.stream(model="tiny", input=QUESTION) as stream:
        assert "".join(event.delta for event in stream if event.type == "response.output_text.delta") == expected
        assert stream.get_final_response().output_text == expected


def test_a_store_forgets_the_oldest_and_what_is_old() -> None:
    now = [0.0]
    store: Store[int] = Store(limit=2, seconds=10, clock=lambda: now[0])
    assert [store.put(name, value) for value, name in enumerate("abc")] == [10, 10, 10]
    assert [store.get(name) for name in "abc"] == [None, 1, 2] and len(store) == 2
    now[0] = 9.9
    store.put("b", 5)
    now[0] = 10.0
    assert [store.get(name) for name in "bc"] == [5, None]
    assert store.pop("b") == 5 and store.pop("b") is None
