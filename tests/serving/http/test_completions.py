"""Completions: the model's own replies, given texts scored as the model scores them, and limits told by name."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from starlette.testclient import TestClient

from omniloom.generation import Omni, Sampling, TextRules
from omniloom.serving.app import create_app
from omniloom.serving.realtime.limits import Limits

QUESTION = "I see a green circle. What colour is the circle?"
RAMBLE = "xyzzy plugh, what of it"


def ask(api: TestClient, prompt: Any = QUESTION, **fields: Any) -> Any:
    return api.post("/v1/completions", json={"model": "tiny", "prompt": prompt, **fields})


def chunks_of(response: Any) -> list[dict[str, Any]]:
    lines = [line for line in response.text.split("\n") if line.startswith("data: ")]
    assert lines[-1] == "data: [DONE]"
    return [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]


def test_the_text_is_the_models_reply(api: TestClient, tiny: Omni) -> None:
    sampled = {"temperature": 1.0, "top_p": 0.9, "seed": 5, "max_tokens": 30}
    for fields, sampling in (({"max_tokens": 30}, Sampling()), (sampled, Sampling(temperature=1.0, top_p=0.9))):
        expected = tiny.reply(RAMBLE, sampling=sampling, seed=5, max_tokens=30)
        answer = ask(api, RAMBLE, **fields).json()
        (choice,) = answer["choices"]
        assert (choice["text"], choice["finish_reason"]) == (expected.text, expected.finish_reason)
        assert answer["usage"]["prompt_tokens"] == expected.usage.prompt_tokens
        assert answer["usage"]["completion_tokens"] == expected.usage.reply_tokens
        assert (choice["index"], choice["logprobs"], answer["object"]) == (0, None, "text_completion")


def test_a_text_its_ids_and_a_list_of_either_are_one_prompt(api: TestClient, tiny: Omni) -> None:
    ids = tiny.codecs.text.encode_text(QUESTION)
    told = [ask(api, prompt).json()["choices"][0]["text"] for prompt in (QUESTION, [QUESTION], ids, [ids])]
    assert told == [tiny.reply(QUESTION, max_tokens=16).text] * 4


def test_each_prompt_has_its_rows_and_they_are_those_of_their_seeds(api: TestClient) -> None:
    fields = {"temperature": 2.0, "max_tokens": 8}
    prompts = [RAMBLE, QUESTION, "draw a circle"] * 4  # with three rows each more than a wave
    rows = ask(api, prompts, n=3, seed=7, **fields).json()["choices"]
    assert [row["index"] for row in rows] == list(range(36))
    for place in (0, 1, 11):
        alone = [ask(api, prompts[place], seed=7 + row, **fields).json()["choices"][0]["text"] for row in range(3)]
        assert [row["text"] for row in rows[3 * place : 3 * place + 3]] == alone


def test_stops_and_lengths_end_it(api: TestClient, tiny: Omni) -> None:
    whole = tiny.reply(QUESTION).text
    stopped = ask(api, stop=whole[2:4], max_tokens=30).json()["choices"][0]
    assert (stopped["text"], stopped["finish_reason"]) == (whole[:2], "stop")
    cut = ask(api, RAMBLE, max_tokens=1).json()
    assert (cut["choices"][0]["finish_reason"], cut["usage"]["completion_tokens"]) == ("length", 1)


def test_logprobs_are_those_of_the_reply(api: TestClient, tiny: Omni) -> None:
    expected = tiny.reply(QUESTION, max_tokens=16, rules=TextRules(num_logprobs=3)).logprobs
    choice = ask(api, logprobs=3).json()["choices"][0]
    told = choice["logprobs"]
    assert told["tokens"] == [token.text for token in expected]
    assert told["token_logprobs"] == [token.logprob for token in expected]
    for own, top in zip(expected, told["top_logprobs"], strict=True):
        assert top == {other.text: other.logprob for other in own.top} | {own.text: own.logprob}
    words = [token for token in told["tokens"] if token != "<end>"]
    assert "".join(words) == choice["text"]
    assert told["text_offset"][: len(words)] == [len("".join(words[:place])) for place in range(len(words))]


def test_a_repeated_prompt_is_scored_as_what_the_model_says_by_itself(api: TestClient, tiny: Omni) -> None:
    prompt = "é: two plus three 🙂 is five"
    choice = ask(api, prompt, echo=True, logprobs=2, max_tokens=1).json()["choices"][0]
    (expected,) = tiny.reply_logprobs(None, [prompt], num_top=2)
    told, count = choice["logprobs"], len(expected)
    assert told["token_logprobs"][:count] == [token.logprob for token in expected]
    assert len(told["token_logprobs"]) == count + 1, "the token that was written comes after them"
    assert choice["text"].startswith(prompt)
    data = [token.data or b"" for token in expected]
    offsets = [len(b"".join(data[:place]).decode(errors="ignore")) for place in range(count)]
    assert told["text_offset"] == [*offsets, len(prompt)]
    silent = ask(api, prompt, echo=True, max_tokens=1).json()["choices"][0]
    assert (silent["text"], silent["logprobs"]) == (choice["text"], None)


def test_a_given_reply_has_the_likelihood_that_the_checkpoint_gives_it(api: TestClient, tiny: Omni) -> None:
    options = [" green", " red", " a big red circle, top left"]
    (expected,) = tiny.likelihoods([(QUESTION, [option.strip() for option in options])])
    fields = {"echo": True, "logprobs": 0, "max_tokens": 0, "reply_at": len(QUESTION)}
    answer = ask(api, [QUESTION + option for option in options], **fields).json()
    for choice, own, option in zip(answer["choices"], expected, options, strict=True):
        scored = [value for value in choice["logprobs"]["token_logprobs"] if value is not None]
        assert (sum(scored), len(scored)) == (pytest.approx(own.logprob, rel=1e-12), own.num_tokens)
        assert (choice["text"], choice["finish_reason"]) == (QUESTION + option, "length")
        assert "".join(choice["logprobs"]["tokens"]) == choice["text"]
    said, reply = (tiny.codecs.text.encode_text(text) for text in (QUESTION, "green"))
    by_ids = ask(api, [*said, *reply], **fields | {"reply_at": len(said)}).json()["choices"][0]
    assert sum(filter(None, by_ids["logprobs"]["token_logprobs"])) == pytest.approx(expected[0].logprob, rel=1e-12)
    assert answer["usage"]["completion_tokens"] == 0 < answer["usage"]["prompt_tokens"]


@pytest.mark.parametrize("fields", [{}, {"echo": True, "logprobs": 2}, {"n": 2, "logprobs": 0}, {"echo": True}])
def test_the_stream_is_the_whole(api: TestClient, fields: dict[str, Any]) -> None:
    shared = {"temperature": 1.5, "seed": 3, "max_tokens": 12, **fields}
    whole = ask(api, [QUESTION, RAMBLE], **shared).json()
    chunks = chunks_of(ask(api, [QUESTION, RAMBLE], stream=True, stream_options={"include_usage": True}, **shared))
    assert chunks[-1]["choices"] == [] and chunks[-1]["usage"] == whole["usage"]
    for choice in whole["choices"]:
        own = [piece for chunk in chunks for piece in chunk["choices"] if piece["index"] == choice["index"]]
        assert "".join(piece["text"] for piece in own) == choice["text"]
        assert [piece["finish_reason"] for piece in own] == [None] * (len(own) - 1) + [choice["finish_reason"]]
        if choice["logprobs"] is not None:
            told = [piece["logprobs"] for piece in own if piece["logprobs"] is not None]
            for name in ("tokens", "token_logprobs", "text_offset"):
                assert [value for one in told for value in one[name]] == choice["logprobs"][name]


def test_the_official_client_reads_it_whole_and_streamed(client: openai.OpenAI, tiny: Omni) -> None:
    whole = client.completions.create(model="tiny", prompt=QUESTION, max_tokens=20, logprobs=1, echo=True)
    assert whole.choices[0].text == QUESTION + tiny.reply(QUESTION, max_tokens=20).text
    assert whole.choices[0].logprobs is not None and whole.choices[0].logprobs.text_offset is not None
    with client.completions.create(model="tiny", prompt=QUESTION, max_tokens=20, stream=True) as stream:
        assert QUESTION + "".join(chunk.choices[0].text for chunk in stream) == whole.choices[0].text


@pytest.mark.parametrize(
    ("prompt", "fields", "param", "message"),
    [
        ("", {}, "prompt", "empty"),
        ([QUESTION, " "], {}, "prompt.1", "visible"),
        ("x" * 4_001, {}, "prompt", "has 4,001 characters, at most 4,000 are taken"),
        ([99_999], {}, "prompt", "codes must be in"),
        ([[1], [99_999]], {}, "prompt.1", "codes must be in"),
        ([], {}, "prompt", "give a text, ids, or a list of several"),
        ([QUESTION] * 129, {}, "prompt", "129 prompts, at most 128 are taken"),
        ([QUESTION, 3], {}, "prompt", "give a text, ids, or a list of several"),
        ([[]], {}, "prompt.0", ""),
        ([QUESTION] * 40, {"n": 8}, "n", "40 prompts with 8 choices each are 320 texts, at most 128 are made"),
        (QUESTION, {"max_tokens": 0}, "max_tokens", "needs echo: true"),
        (QUESTION, {"reply_at": 4}, "reply_at", "it needs echo: true, logprobs and max_tokens 0"),
        (QUESTION, {"stream_options": {}}, "stream_options", "needs stream: true"),
        (QUESTION, {"logprobs": 21}, "logprobs", "less than or equal to 20"),
        (QUESTION, {"best_of": 2}, "best_of", "less than or equal to 1"),
        (QUESTION, {"suffix": "."}, "suffix", "at most 0 characters"),
        (QUESTION, {"messages": []}, "messages", "not served here"),
        (QUESTION, {"model": "huge"}, "model", "there is no model 'huge'; 'tiny' is served here"),
        ("seven " * 600, {"echo": True, "logprobs": 0, "max_tokens": 0}, "prompt", "a written reply 512 at most"),
    ],
)
def test_what_is_wrong_is_named(api: TestClient, prompt: Any, fields: dict[str, Any], param: str, message: str) -> None:
    response = ask(api, prompt, **fields)
    error = response.json()["error"]
    assert response.status_code == (404 if param == "model" else 400)
    assert error["param"] == param and message in error["message"]


@pytest.mark.parametrize("reply_at", [0, len(QUESTION), 10**6])
def test_a_reply_needs_something_before_it_and_something_in_it(api: TestClient, reply_at: int) -> None:
    response = ask(api, echo=True, logprobs=0, max_tokens=0, reply_at=reply_at)
    assert response.status_code == 400 and response.json()["error"]["param"] == "reply_at"


def test_a_busy_server_says_when_to_come_again(tiny: Omni) -> None:
    limits = Limits(requests_at_once=1, waiting_requests=1)
    with TestClient(create_app(tiny, model_name="tiny", limits=limits), base_url="http://localhost") as api:
        response = ask(api, [QUESTION] * 3)
    assert (response.status_code, response.headers["retry-after"]) == (429, "1")
    assert response.json()["error"]["code"] == "server_busy"
