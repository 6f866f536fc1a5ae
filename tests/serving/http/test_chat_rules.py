"""Chat replies held to forms: stop strings, log-probabilities, JSON, and calls of tools; streamed as whole."""

from __future__ import annotations

import json
import math
from typing import Any

import openai
import pytest
from starlette.testclient import TestClient

from omniloom.generation import Omni
from omniloom.generation.rules import TextRules

QUESTION = "What is 2 plus 3?"
SCHEMA = {
    "type": "object",
    "properties": {
        "colour": {"enum": ["red", "green"]},
        "sizes": {"type": "array", "items": {"enum": [1, 2]}, "maxItems": 2},
    },
    "required": ["colour"],
    "additionalProperties": False,
}
TOOL = {"type": "function", "function": {"name": "paint", "description": "Paint it.", "parameters": SCHEMA}}
JSON_FORM = {"type": "json_schema", "json_schema": {"name": "thing", "schema": SCHEMA, "strict": True}}


def ask(api: TestClient, **fields: Any) -> Any:
    body = {"model": "tiny", "messages": [{"role": "user", "content": QUESTION}], **fields}
    return api.post("/v1/chat/completions", json=body)


def choice_of(api: TestClient, **fields: Any) -> dict[str, Any]:
    found: dict[str, Any] = ask(api, **fields).json()["choices"][0]
    return found


def pieces_of(api: TestClient, **fields: Any) -> list[dict[str, Any]]:
    lines = [line[6:] for line in ask(api, stream=True, **fields).text.split("\n") if line.startswith("data: ")]
    return [piece for line in lines[:-1] for piece in json.loads(line)["choices"]]


def test_a_stop_string_ends_the_reply(api: TestClient, tiny: Omni) -> None:
    whole = tiny.reply(QUESTION).text
    stop = whole[len(whole) // 2 : len(whole) // 2 + 2]
    for stops in (stop, ["never said", stop]):
        choice = choice_of(api, stop=stops)
        assert choice["message"]["content"] == whole[: whole.index(stop)] and choice["finish_reason"] == "stop"
        pieces = pieces_of(api, stop=stops)
        assert "".join(piece["delta"].get("content") or "" for piece in pieces) == choice["message"]["content"]


def test_logprobs_are_those_of_the_reply(api: TestClient, tiny: Omni) -> None:
    expected = tiny.reply(QUESTION, rules=TextRules(num_logprobs=2))
    content = choice_of(api, logprobs=True, top_logprobs=2)["logprobs"]["content"]
    assert [one["logprob"] for one in content] == [one.logprob for one in expected.logprobs]
    assert b"".join(bytes(one["bytes"] or []) for one in content).decode() == expected.text
    assert all(len(one["top_logprobs"]) == 2 for one in content)
    assert all(sum(math.exp(top["logprob"]) for top in one["top_logprobs"]) <= 1 + 1e-6 for one in content)
    pieces = pieces_of(api, logprobs=True, top_logprobs=2)
    assert [one for piece in pieces if piece.get("logprobs") for one in piece["logprobs"]["content"]] == content
    assert choice_of(api)["logprobs"] is None


@pytest.mark.parametrize("seed", range(3))
def test_json_fits_its_schema(api: TestClient, seed: int) -> None:
    fields = {"response_format": JSON_FORM, "temperature": 1.5, "seed": seed}
    choice = choice_of(api, **fields)
    if choice["finish_reason"] == "stop":
        made = json.loads(choice["message"]["content"])
        assert made["colour"] in ("red", "green") and set(made) <= {"colour", "sizes"}
    pieces = pieces_of(api, **fields)
    assert "".join(piece["delta"].get("content") or "" for piece in pieces) == choice["message"]["content"]
    any_object = choice_of(api, response_format={"type": "json_object"}, seed=seed)
    if any_object["finish_reason"] == "stop":
        assert isinstance(json.loads(any_object["message"]["content"]), dict)


@pytest.mark.parametrize("tool_choice", ["required", {"type": "function", "function": {"name": "paint"}}])
def test_a_tool_is_called_with_arguments_that_fit(api: TestClient, tool_choice: Any) -> None:
    fields = {"tools": [TOOL], "tool_choice": tool_choice}
    choice = choice_of(api, **fields)
    assert choice["message"]["content"] is None and choice["finish_reason"] == "tool_calls"
    call = choice["message"]["tool_calls"][0]
    assert call["function"]["name"] == "paint" and json.loads(call["function"]["arguments"])["colour"]
    deltas = [call for piece in pieces_of(api, **fields) for call in piece["delta"].get("tool_calls") or ()]
    assert deltas[0]["id"] and deltas[0]["type"] == "function" and deltas[0]["function"]["name"] == "paint"
    assert all("id" not in delta for delta in deltas[1:])
    assert "".join(delta["function"]["arguments"] for delta in deltas) == call["function"]["arguments"]


def test_a_tool_need_not_be_called(api: TestClient, tiny: Omni) -> None:
    for tool_choice in ("auto", "none"):
        choice = choice_of(api, tools=[TOOL], tool_choice=tool_choice)
        assert choice["message"]["content"] == tiny.reply(QUESTION).text and choice["message"]["tool_calls"] is None


def test_a_call_and_its_outcome_are_taken_back(api: TestClient) -> None:
    message = choice_of(api, tools=[TOOL], tool_choice="required")["message"]
    outcome = {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": '{"done": true}'}
    answer = ask(api, messages=[{"role": "user", "content": QUESTION}, message, outcome], tools=[TOOL])
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"stop": ""}, "stop"),
        ({"stop": ["a"] * 5}, "stop"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "draw"}}}, "tools"),
        ({"tools": [TOOL, TOOL]}, "tools"),
        ({"tools": [TOOL], "response_format": {"type": "json_object"}}, "response_format"),
        ({"modalities": ["image"], "stop": "a"}, "stop"),
        ({"modalities": ["image"], "response_format": {"type": "json_object"}}, "response_format"),
        ({"response_format": {"type": "xml"}}, "response_format"),
    ],
)
def test_what_does_not_go_together_is_refused_by_name(api: TestClient, fields: dict[str, Any], param: str) -> None:
    response = ask(api, **fields)
    assert response.status_code == 400 and response.json()["error"]["param"].split(".")[0] == param


def test_earlier_calls_are_as_long_as_any_text(api: TestClient) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "paint", "arguments": "1" * 4_000}}
    turns = [{"role": "user", "content": QUESTION}, {"role": "assistant", "content": None, "tool_calls": [call]}]
    error = ask(api, messages=[*turns, {"role": "user", "content": "and?"}]).json()["error"]
    assert (error["code"], error["param"]) == ("text_too_long", "messages.1.tool_calls.0.function.arguments")


@pytest.mark.parametrize("schema", [{"type": "nothing"}, {"multipleOf": 999983}, {"$ref": "http://127.0.0.1/x"}])
@pytest.mark.parametrize("stream", [False, True])
def test_a_schema_that_cannot_be_held_is_refused(api: TestClient, schema: dict[str, Any], stream: bool) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    assert ask(api, response_format=form, stream=stream).status_code == 400


def test_the_official_client_parses_and_calls(client: openai.OpenAI) -> None:
    from pydantic import BaseModel

    class Thing(BaseModel):
        is_red: bool

    messages: Any = [{"role": "user", "content": QUESTION}]
    parsed = client.chat.completions.parse(model="tiny", messages=messages, response_format=Thing)
    assert isinstance(parsed.choices[0].message.parsed, Thing)
    called = client.chat.completions.create(
        model="tiny", messages=messages, tools=[openai.pydantic_function_tool(Thing)], tool_choice="required"
    )
    call: Any = (called.choices[0].message.tool_calls or [None])[0]
    assert call.function.name == "Thing" and isinstance(json.loads(call.function.arguments)["is_red"], bool)
    with client.chat.completions.stream(model="tiny", messages=messages, logprobs=True) as stream:
        final = stream.get_final_completion()
    assert final.choices[0].logprobs is not None
