"""The served model measured through the wire: to the item what its checkpoint gives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from omniloom.evaluation.few_shot import EndpointLanguageModel, OmniLanguageModel, evaluate_few_shot
from omniloom.generation import Omni


def items_of(path: Path) -> dict[tuple[Any, ...], Any]:
    found = [json.loads(line) for line in path.read_text().splitlines()]
    return {(own["task"], own["shots"], own["number"]): (own["given"], own["score"]) for own in found}


def test_few_shot_options_and_texts_are_those_of_the_checkpoint(tiny: Omni, address: str, tmp_path: Path) -> None:
    tasks, settings = ["analogies", "1DC"], {"shots": (0, 2), "limit": 8}
    here = OmniLanguageModel(tiny)
    there = EndpointLanguageModel(address, "tiny", interface="completions")
    reports = [
        evaluate_few_shot(model, tasks, results=tmp_path / f"{place}.jsonl", **settings)  # type: ignore[arg-type]
        for place, model in enumerate((here, there))
    ]
    first, second = (items_of(tmp_path / f"{place}.jsonl") for place in (0, 1))
    assert first == second and len(first) == 32
    assert reports[0].rows == reports[1].rows
    scores = [
        [json.loads(line)["option_scores"] for line in sorted((tmp_path / f"{place}.jsonl").read_text().splitlines())]
        for place in (0, 1)
    ]
    scored = [sorted(tuple(own) for own in each if own) for each in scores]
    assert len(scored[0]) == 16
    for own, other in zip(*scored, strict=True):
        # Of a JSON number nothing is lost; sums are taken in another order.
        assert own == pytest.approx(other, rel=1e-12)


@pytest.mark.slow
def test_lm_eval_runs_on_the_completions_as_they_are(
    tiny: Omni, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own client of such endpoints, which knows nothing of ours, with the model's tokenizer in a folder."""
    pytest.importorskip("tenacity")
    completions = pytest.importorskip("lm_eval.models.openai_completions")
    from lm_eval.api.instance import Instance
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    tiny.codecs.text.save(tmp_path / "codec")
    tokenizer = Tokenizer.from_file(str(tmp_path / "codec" / "tokenizer.json"))
    PreTrainedTokenizerFast(tokenizer_object=tokenizer).save_pretrained(tmp_path / "hf")
    model = completions.LocalCompletionsAPI(
        base_url=f"{address}/completions",
        model="tiny",
        tokenizer=str(tmp_path / "hf"),
        tokenizer_backend="huggingface",
        max_length=500,
    )
    context = "I see a green circle. The circle is"
    pairs = [(context, " green"), (context, " red")]
    asked = [Instance("loglikelihood", {}, pair, place) for place, pair in enumerate(pairs)]
    start = len(tiny.codecs.text.encode_text(context))
    for (logprob, _), (_, continuation) in zip(model.loglikelihood(asked), pairs, strict=True):
        (tokens,) = tiny.reply_logprobs(None, [context + continuation])
        assert logprob == pytest.approx(sum(token.logprob for token in tokens[start:]), rel=1e-12)
    question = "I see a green circle. What colour is the circle?"
    until = {"until": ["\n"], "max_gen_toks": 10}
    assert model.generate_until([Instance("generate_until", {}, (question, until), 0)]) == [tiny.reply(question).text]
