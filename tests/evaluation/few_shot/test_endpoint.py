"""A served endpoint: asked by the official client, scored by what it repeats, and dying half-way without loss."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.dying_endpoint import Endpoint, running_endpoint

from omniloom.cli import main
from omniloom.evaluation.few_shot import (
    EndpointLanguageModel,
    Likelihood,
    ScoreRequest,
    WriteRequest,
    evaluate_few_shot,
    load_records,
)
from omniloom.evaluation.suites import load_reports

pytest.importorskip("openai")


def answer(body: dict[str, Any]) -> dict[str, Any]:
    head = {"id": "1", "created": 0, "model": body["model"]}
    if "messages" in body:
        message = {"role": "assistant", "content": added(body["messages"][-1]["content"])}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        return head | {"object": "chat.completion", "choices": [choice]}
    prompt = body["prompt"]
    text = prompt + "!" if body.get("echo") else added(prompt) + "\n\nQ: What is more?"
    told = {
        "tokens": list(text),
        "token_logprobs": [None, *(-1.0 if letter == "x" else -3.0 for letter in text[1:])],
        "text_offset": list(range(len(text))),
        "top_logprobs": None,
    }
    choice = {"index": 0, "finish_reason": "length", "text": text, "logprobs": told if body.get("echo") else None}
    return head | {"object": "text_completion", "choices": [choice]}


def added(prompt: str) -> str:
    first, _, second = prompt.rpartition("What is ")[2].partition("?")[0].partition(" plus ")
    return f" {int(first) + int(second)}"


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with running_endpoint(answer) as server:
        yield server


def model(endpoint: Endpoint, **settings: Any) -> EndpointLanguageModel:
    return EndpointLanguageModel(endpoint.url, "adder", max_retries=0, **settings)


def test_it_writes_by_chat_and_by_completions(endpoint: Endpoint) -> None:
    for interface in ("chat", "completions"):
        (row,) = evaluate_few_shot(model(endpoint, interface=interface), ["2D+"], shots=(1,), limit=6).rows
        assert (row.score, row.n) == (1.0, 6)
    chat, plain = endpoint.bodies[0], endpoint.bodies[-1]
    assert chat["messages"][0]["content"] != plain["prompt"] and plain["prompt"].endswith("?\n\nA:")
    assert chat["stop"] == plain["stop"] == ["\n"] and chat["temperature"] == 0.0
    assert chat["max_completion_tokens"] == plain["max_tokens"] == 12


def test_demonstrations_are_messages_of_a_chat_where_they_are_asked_to_be(endpoint: Endpoint) -> None:
    (row,) = evaluate_few_shot(model(endpoint), ["2D+"], shots=(2,), limit=1, form="turns").rows
    assert (row.score, row.n) == (1.0, 1)
    messages = endpoint.bodies[0]["messages"]
    assert [own["role"] for own in messages] == ["user", "assistant", "user", "assistant", "user"]
    for asked, answered in zip(messages[:-1:2], messages[1::2], strict=True):
        assert asked["content"].startswith("Q: What is ") and asked["content"].endswith("?\n\nA:")
        assert f" {answered['content']}" == added(asked["content"])
    with pytest.raises(ValueError, match="takes no turns; ask an omni checkpoint or an endpoint by chat"):
        evaluate_few_shot(model(endpoint, interface="completions"), ["2D+"], shots=(2,), limit=1, form="turns")


def test_options_are_scored_by_what_it_repeats(endpoint: Endpoint) -> None:
    own = model(endpoint, interface="completions")
    (found,) = dict(own.score([ScoreRequest("Q:", (" ax", " b"))])).values()
    assert found == (Likelihood(-7.0, 3), Likelihood(-6.0, 2))
    assert endpoint.bodies[0]["echo"] is True and endpoint.bodies[0]["logprobs"] == 1
    with pytest.raises(ValueError, match="asked by chat, which scores no given text; choose the completions interface"):
        dict(model(endpoint).score([ScoreRequest("Q:", (" a", " b"))]))


def test_one_that_dies_half_way_loses_nothing_that_was_finished(endpoint: Endpoint, tmp_path: Path) -> None:
    results = tmp_path / "items.jsonl"
    run: dict[str, Any] = {"names": ["2D+"], "shots": (0,), "limit": 40, "results": results}
    endpoint.num_left = 15
    with pytest.raises(ConnectionError, match=r"127\.0\.0\.1:\d+/v1 failed .* and run the same command again"):
        evaluate_few_shot(model(endpoint, num_parallel=4), **run)
    assert len(load_records(results)) == endpoint.num_answers == 15
    endpoint.num_left = 10**9
    report = evaluate_few_shot(model(endpoint, num_parallel=4), **run)
    assert endpoint.num_answers == 40, "no finished item was asked again"
    assert [row.score for row in report.rows] == [1.0]


def test_one_that_dies_between_the_options_of_an_item_has_none_of_it_kept(endpoint: Endpoint, tmp_path: Path) -> None:
    results = tmp_path / "items.jsonl"
    run: dict[str, Any] = {"names": ["analogies"], "shots": (0,), "limit": 10, "results": results}
    whole = evaluate_few_shot(model(endpoint, interface="completions"), **run | {"results": None})
    assert endpoint.num_answers == 10 * 5, "five options an item"
    endpoint.num_answers, endpoint.num_left = 0, 4 * 5 + 3
    with pytest.raises(ConnectionError, match="run the same command again"):
        evaluate_few_shot(model(endpoint, interface="completions", num_parallel=1), **run)
    assert endpoint.num_answers == 4 * 5 + 3 and len(load_records(results)) == 4
    endpoint.num_left = 10**9
    assert evaluate_few_shot(model(endpoint, interface="completions", num_parallel=1), **run).rows == whole.rows
    assert endpoint.num_answers == 10 * 5 + 3, "three options of one item twice, and nothing else"


def test_the_same_command_goes_on_where_the_endpoint_died(
    endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("omniloom.evaluation.endpoints.client.MAX_RETRIES", 0)
    results, report = tmp_path / "items.jsonl", tmp_path / "report.json"
    asked = ["few-shot", "--endpoint", endpoint.url, "--model", "adder", "--tasks", "2D+", "--shots", "0", "1"]
    command = ["evaluate", *asked, "--limit", "12", "--results", str(results), "--json", str(report)]
    endpoint.num_left = 17
    assert main(command) == 2
    assert f"{endpoint.url} failed" in capsys.readouterr().err and not report.exists()
    assert len(load_records(results)) == endpoint.num_answers == 17
    endpoint.num_left = 10**9
    assert main(command) == 0
    assert len(load_records(results)) == endpoint.num_answers == 24
    (found,) = load_reports(report)
    assert [(row.n, row.score) for row in found.rows] == [(12, 1.0), (12, 1.0)]
    assert (found.num_kept, found.num_asked) == (17, 7)


def test_one_that_is_not_there_is_named() -> None:
    gone = EndpointLanguageModel("http://127.0.0.1:9/v1", "adder", max_retries=0)
    with pytest.raises(ConnectionError, match=r"http://127\.0\.0\.1:9/v1 failed \(APIConnectionError"):
        dict(gone.write([WriteRequest("a", (), 1)]))
