"""lm-evaluation-harness and our own runner agree to the item: the same likelihoods, picks, texts and scores."""

from __future__ import annotations

import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from omniloom.evaluation.few_shot import (
    Item,
    OmniLanguageModel,
    Options,
    Record,
    Task,
    add_task,
    evaluate_few_shot,
    load_records,
)
from omniloom.generation import Omni

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of the harness and of what it imports
    pytest.importorskip("lm_eval", reason="extra eval is not installed")
    from omniloom.evaluation.few_shot.harness import HarnessModel, evaluate_in_harness, write_harness_task

pytestmark = pytest.mark.filterwarnings("ignore")
NUMBERS = {"two plus three": "five", "nine minus one": "eight", "four plus four": "eight", "six minus four": "two"}
WORDS = (" two", " five", " eight")


@pytest.fixture(scope="module")
def model() -> OmniLanguageModel:
    return OmniLanguageModel(Omni.load("tiny"), name="tiny")


@pytest.fixture(scope="module", autouse=True)
def sums() -> None:
    """A task of options that the shipped model knows something of."""

    def load(split: str) -> list[Item]:
        items = [
            Item(context=f"what is {asked}", answers=(f" {answer}",), options=WORDS)
            for asked, answer in NUMBERS.items()
        ]
        return items[:1] if split == "train" else items[1:]

    add_task(Task(name="test-sums", load=load, answering=Options(scoring="whole"), separator="\n", shots=1))


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def own_items(model: Any, name: str, shots: int, folder: Path, limit: int | None) -> list[Record]:
    path = folder / "items.jsonl"
    evaluate_few_shot(model, [name], shots=[shots], limit=limit, results=path)
    return sorted(load_records(path), key=lambda own: own.number)


@pytest.mark.parametrize("shots", [0, 1])
def test_options_agree_to_the_item(model: OmniLanguageModel, tmp_path: Path, shots: int) -> None:
    task = write_harness_task("test-sums", tmp_path, shots=shots)
    found = evaluate_in_harness(model, [task])
    own = own_items(model, "test-sums", shots, tmp_path, None)
    assert len(found) == len(own) == 3
    for theirs, ours in zip(found, own, strict=True):
        assert theirs.logprobs == pytest.approx(ours.option_scores, abs=1e-5)
        assert WORDS[theirs.logprobs.index(max(theirs.logprobs))] == ours.given
        assert (theirs.metric, theirs.score) == ("acc", ours.score)


def test_written_answers_agree_to_the_item(model: OmniLanguageModel, tmp_path: Path) -> None:
    task = write_harness_task("1DC", tmp_path, shots=2, limit=8)
    found = evaluate_in_harness(model, [task])
    own = own_items(model, "1DC", 2, tmp_path, 8)
    assert [item.given for item in found] == [line.given for line in own]
    assert [item.score for item in found] == [line.score for line in own]


def request(*args: Any) -> Any:
    return SimpleNamespace(args=args)


def test_the_likeliest_continuation_is_told_as_such(model: OmniLanguageModel) -> None:
    harness = HarnessModel(model)
    (written,) = harness.generate_until([request("27+14", {"until": ["\n"], "max_gen_toks": 20})])
    (first, is_greedy), (second, is_other) = harness.loglikelihood([request("27+14", own) for own in (written, "no")])
    assert is_greedy and not is_other and first > second


def test_a_text_longer_than_the_context_is_scored_in_pieces(model: OmniLanguageModel) -> None:
    harness = HarnessModel(model)
    long = "a red star on the left and a blue ring on the right " * 100
    assert model.num_tokens(long) > model.context // 2
    pieces = list(harness._pieces(long))
    assert "".join(piece for _, piece in pieces) == long and len(pieces) > 1
    assert [before for before, _ in pieces] == ["", *(piece for _, piece in pieces[:-1])]
    assert all(model.num_tokens(before + piece) <= model.context for before, piece in pieces)


def test_what_cannot_be_kept_is_refused(model: OmniLanguageModel, tmp_path: Path) -> None:
    harness = HarnessModel(model)
    with pytest.raises(ValueError, match="greedily"):
        harness.generate_until([request("a", {"do_sample": True})])
    with pytest.raises(ValueError, match="top_k"):
        harness.generate_until([request("a", {"top_k": 3})])
    with pytest.raises(ValueError, match="no room"):
        harness.generate_until([request("red " * 4000, {})])
    with pytest.raises(ValueError, match=r"missing\.yaml"):
        evaluate_in_harness(model, [tmp_path / "missing.yaml"])
    with pytest.raises(ValueError, match="checkpoint=NAME"):
        HarnessModel(model, pretrained="x")
