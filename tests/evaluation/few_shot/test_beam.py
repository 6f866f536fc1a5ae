"""Answers by beam search: size 1 is greedy to the token, batched equals alone, and a search finds what is likelier."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from omniloom.evaluation.few_shot import (
    PAPER_SEARCH,
    EndpointLanguageModel,
    OmniLanguageModel,
    ScoreRequest,
    TorchLanguageModel,
    WriteRequest,
    evaluate_few_shot,
    load_records,
)
from omniloom.generation import Omni
from omniloom.generation.beam import BeamSearch

PROMPTS = ("what is seven plus five", "say hello", "27+14", "Q: a long way\n\nA:")
END = 256


class Bytes:
    """A byte is a token."""

    def encode(self, text: str) -> list[int]:
        return list(text.encode())

    def decode(self, ids: Any) -> str:
        return bytes(token for token in ids if token < END).decode(errors="replace")


@pytest.fixture(scope="module")
def omni() -> OmniLanguageModel:
    return OmniLanguageModel(Omni.load("tiny"))


@pytest.fixture(scope="module")
def torch_model() -> TorchLanguageModel:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(4)
    config = LlamaConfig(
        vocab_size=257,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=256,
        initializer_range=0.4,
    )
    return TorchLanguageModel(LlamaForCausalLM(config), Bytes(), context=256, end_ids=[END], name="random")


@pytest.fixture(params=["omni", "torch_model"])
def model(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


def written(model: Any, search: BeamSearch, prompts: Any = PROMPTS, stops: tuple[str, ...] = ("o",)) -> list[str]:
    found = dict(model.write([WriteRequest(prompt, stops, 8, search) for prompt in prompts]))
    return [found[place] for place in range(len(prompts))]


@torch.no_grad()
def test_size_1_of_the_search_itself_is_greedy_to_the_token(omni: OmniLanguageModel, torch_model: Any) -> None:
    """The adapters take another way for size 1; here the search goes its own."""
    own = omni._omni
    found = [best.text for best, *_ in own.search(PROMPTS, BeamSearch(size=1), max_tokens=8, stops=("o",))]
    assert found == written(omni, BeamSearch(size=1))
    from omniloom.evaluation.few_shot.models.causal_rows import CausalRows, SharedBeginning
    from omniloom.generation.beam import beam_search

    prefixes = [list(prompt.encode()) for prompt in PROMPTS]
    rows = CausalRows(torch_model._model, prefixes, SharedBeginning(torch_model._model, prefixes))
    zeros = torch.zeros(len(prefixes), dtype=torch.long)
    best = beam_search(rows, zeros, end_id=END, max_lengths=[8] * len(prefixes), search=BeamSearch(size=1))
    assert [torch_model._text(p, list(own.ids)) for p, (own,) in zip(prefixes, best, strict=True)] == written(
        torch_model, BeamSearch(size=1), stops=()
    )


def test_batched_equals_alone(model: Any) -> None:
    assert written(model, PAPER_SEARCH) == [written(model, PAPER_SEARCH, [prompt])[0] for prompt in PROMPTS]


def test_a_search_finds_what_is_at_least_as_likely(model: Any) -> None:
    """By log p over the penalty, alpha 0 here: whole answers, so that likelihoods of texts can be compared."""
    greedy, best = (written(model, BeamSearch(size=size, alpha=0.0), stops=()) for size in (1, 6))
    assert greedy != best or isinstance(model, OmniLanguageModel)
    for prompt, one, other in zip(PROMPTS, greedy, best, strict=True):
        if one != other and isinstance(model, TorchLanguageModel):
            # Both have all 8 tokens: nothing ended, and the likelier of the alive ones is taken.
            (_, (first, second)), *_ = model.score([ScoreRequest(prompt, (one, other))])
            if first.num_tokens == second.num_tokens == 8:
                assert second.logprob >= first.logprob


def test_an_answer_ends_before_its_stop(model: Any) -> None:
    whole = written(model, PAPER_SEARCH, stops=())
    stop = next(letter for text in whole for letter in text[1:] if letter.isalnum())
    assert any(stop in text for text in whole)
    assert not any(stop in text for text in written(model, PAPER_SEARCH, stops=(stop,)))


def test_hypotheses_are_ranked_by_what_scoring_says_of_them() -> None:
    """The search's log-probability of a reply that ended is that of its text and its end."""
    omni = Omni.load("tiny")
    (found,) = omni.search([PROMPTS[0]], BeamSearch(size=4, num_results=4), max_tokens=20)
    assert [own.score for own in found] == sorted((own.score for own in found), reverse=True)
    (scored,) = omni.likelihoods([(PROMPTS[0], [own.text for own in found])])
    for own, likelihood in zip(found, scored, strict=True):
        assert own.log_prob <= likelihood.logprob + 1e-4
        assert own.score == pytest.approx(own.log_prob / BeamSearch().penalty(likelihood.num_tokens + 1), abs=1e-5)


def test_rows_copied_on_torch_are_those_of_the_native_step(monkeypatch: pytest.MonkeyPatch) -> None:
    native = Omni.load("tiny")
    expected = native.search(PROMPTS[:2], max_tokens=12)
    from omniloom.generation import decoder

    monkeypatch.setattr(decoder, "chosen_instruction_set", lambda: decoder.REFERENCE)
    found = Omni.load("tiny").search(PROMPTS[:2], max_tokens=12)
    for (own,), (other,) in zip(found, expected, strict=True):
        assert own.text == other.text
        assert own.log_prob == pytest.approx(other.log_prob, abs=1e-3)


def test_searched_and_greedy_answers_are_kept_apart(torch_model: Any, tmp_path: Any) -> None:
    settings: Any = {"shots": [1], "limit": 4, "results": tmp_path / "items.jsonl"}
    evaluate_few_shot(torch_model, ["1DC"], **settings)
    report = evaluate_few_shot(torch_model, ["1DC"], **settings, search=PAPER_SEARCH)
    assert report.settings["search"] == "beam 4, alpha 0.6"
    kept = load_records(tmp_path / "items.jsonl")
    assert [own.search for own in kept] == 4 * [""] + 4 * ["beam 4, alpha 0.6"]


def test_an_endpoint_has_no_beam() -> None:
    endpoint = EndpointLanguageModel("http://127.0.0.1:9/v1", "any")
    with pytest.raises(ValueError, match="beam of 4"):
        list(endpoint.write([WriteRequest("a", (), 4, PAPER_SEARCH)]))
