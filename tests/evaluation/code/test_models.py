"""Samples of a checkpoint are the same alone and in a batch; an endpoint is asked in its way and may die half-way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.evaluation.code.conftest import PROBLEMS
from tests.support.dying_endpoint import Endpoint, running_endpoint

from omniloom import Omni
from omniloom.codecs.bundle import CodecSet
from omniloom.codecs.text import TextCodec
from omniloom.evaluation.code import (
    BackScorer,
    CodeSettings,
    EndpointCodeModel,
    OmniCodeModel,
    Sample,
    SampleRequest,
    evaluate_code,
)
from omniloom.evaluation.code.models import INSTRUCTION, code_of
from omniloom.evaluation.suites.items import Items
from omniloom.models import OmniModel
from omniloom.recipes.text_model import text_shape


@pytest.fixture(scope="module")
def omni() -> Omni:
    codecs = CodecSet.of_text(TextCodec.train(["def double(x):\n    return 2 * x\n"] * 4, 300, longest_run=8))
    torch.manual_seed(5)
    model = OmniModel(text_shape(1, num_heads=1, context=256), codecs.vocabulary())
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    return Omni(model, codecs)


def requests(count: int) -> list[SampleRequest]:
    return [
        SampleRequest(PROBLEMS[n % 2].prompt, PROBLEMS[0].stops, (0.5, 1.0)[n % 2], seed=n, max_tokens=12)
        for n in range(count)
    ]


def test_samples_are_the_same_alone_and_together(omni: Omni) -> None:
    model = OmniCodeModel(omni)
    together = dict(model.sample(requests(6)))
    assert len({sample.text for sample in together.values()}) > 1
    for place, request in enumerate(requests(6)):
        ((_, alone),) = model.sample([request])
        assert alone.text == together[place].text
        assert alone.logprob == pytest.approx(together[place].logprob, abs=1e-5)


def test_a_prompt_that_does_not_fit_has_the_empty_sample(omni: Omni) -> None:
    long = requests(1)[0]._replace(prompt="x" * 1000)
    found = dict(OmniCodeModel(omni).sample([*requests(2), long]))
    assert found[2] == Sample("", None, 0) and found[2].mean_logprob is None
    assert found[0] == dict(OmniCodeModel(omni).sample(requests(2)))[0]


def test_a_samples_logprob_is_its_likelihood_as_a_reply(omni: Omni) -> None:
    num_same = 0
    for place, sample in OmniCodeModel(omni).sample(requests(40)):
        codes = omni.codecs.text.encode_text(sample.text)
        # What was sampled may be cut into tokens otherwise than text is, and then it is another reply.
        if sample.text and len(codes) == sample.num_tokens and "\ufffd" not in sample.text:
            (told,) = omni.likelihoods([(PROBLEMS[place % 2].prompt, [sample.text])])[0]
            assert sample.logprob == pytest.approx(told.logprob, abs=1e-3)
            num_same += 1
    assert num_same >= 3


def test_back_scoring_is_the_likelihood_of_the_words_given_the_code(omni: Omni) -> None:
    scorer = BackScorer(omni, name="inverse")
    asked = [(PROBLEMS[0], "    return 2 * x\n"), (PROBLEMS[1], "    return x\n"), (PROBLEMS[0], "x" * 2000)]
    found = dict(scorer.scores(asked))
    (told,) = omni.likelihoods([("def twice(x):\n    return x\n", ["Twice x."])])[0]
    assert found[1] == pytest.approx(told.logprob / told.num_tokens, abs=1e-6)
    assert found[0] != found[1] and found[2] is None, "what does not fit the context has no score"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("    return 2 * x", "    return 2 * x\n"),
        ("Sure:\n```python\ndef double(x):\n    return 2 * x\n```\nDone.", "def double(x):\n    return 2 * x\n"),
        ("```\n    return 2 * x\n```", "    return 2 * x\n"),
        ("y = 2\n    return y * x", "    y = 2\n    return y * x\n"),
        ("return 2 * x", "    return 2 * x\n"),
    ],
)
def test_code_is_found_in_an_answer(answer: str, code: str) -> None:
    assert code_of(answer) == code


def answer(body: dict[str, Any]) -> dict[str, Any]:
    code = f"    return {2 + body['seed'] % 2} * x\n"
    head = {"id": "1", "created": 0, "model": body["model"]}
    if "prompt" in body:
        told = {"tokens": ["a", "b"], "token_logprobs": [-1.0, -3.0], "text_offset": [0, 1], "top_logprobs": None}
        choice = {"index": 0, "finish_reason": "stop", "text": code + "\ndef other(): pass", "logprobs": told}
        return head | {"object": "text_completion", "choices": [choice]}
    logprobs = {"content": [{"token": "a", "logprob": -0.5, "bytes": None, "top_logprobs": []}], "refusal": None}
    message = {"role": "assistant", "content": f"```python\n{code}```"}
    choice = {"index": 0, "finish_reason": "stop", "message": message, "logprobs": logprobs}
    return head | {"object": "chat.completion", "choices": [choice]}


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    pytest.importorskip("openai")
    with running_endpoint(answer) as server:
        yield server


def test_an_endpoint_goes_on_with_the_prompt_or_is_asked_by_chat(endpoint: Endpoint) -> None:
    plain = EndpointCodeModel(endpoint.url, "m", interface="completions", max_retries=0)
    ((_, sample),) = plain.sample(requests(1))
    assert sample.text == "    return 2 * x\n" and (sample.logprob, sample.num_tokens) == (-4.0, 2)
    sent = endpoint.bodies[-1]
    assert sent["prompt"] == PROBLEMS[0].prompt and len(sent["stop"]) == 4
    assert (sent["temperature"], sent["top_p"], sent["seed"]) == (0.5, 0.95, 0)
    chat = EndpointCodeModel(endpoint.url, "m", max_retries=0)
    ((_, sample),) = chat.sample(requests(1))
    assert sample.text == "    return 2 * x\n" and sample.mean_logprob == -0.5
    assert endpoint.bodies[-1]["messages"][0]["content"] == INSTRUCTION + PROBLEMS[0].prompt
    bare = EndpointCodeModel(endpoint.url, "m", instruction="", max_retries=0)
    list(bare.sample(requests(1)))
    assert endpoint.bodies[-1]["messages"][0]["content"] == PROBLEMS[0].prompt
    assert len({plain.name, chat.name, bare.name}) == 3


def test_an_endpoint_that_dies_half_way_loses_nothing(contained: None, endpoint: Endpoint, tmp_path: Path) -> None:
    settings = CodeSettings(num_samples=10, temperatures=(0.8,))
    path = tmp_path / "items.jsonl"

    def run() -> Any:
        model = EndpointCodeModel(endpoint.url, "m", interface="completions", max_retries=0, num_parallel=3)
        items = Items(path, suite="code", subject=model.name, settings={})
        return evaluate_code(model, PROBLEMS, settings, items)

    endpoint.num_left = 9
    with pytest.raises(ConnectionError, match=r"failed .*; finished items are kept"):
        run()
    assert endpoint.num_answers == 9 and len(path.read_text().splitlines()) == 1 + 9
    endpoint.num_left = 10**9
    found = run()
    assert endpoint.num_answers == 20, "nothing that was answered is asked again"
    assert all(own.passed == ("2 * x" in own.completion) for problem in found[0.8] for own in problem)
    run()
    assert endpoint.num_answers == 20
