"""The served model measured through the wire: to the item what its checkpoint gives."""

from __future__ import annotations

import json
import socket
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.serving.child import Child
from tests.support.emoji import made_up_emoji

from omniloom.cli import main
from omniloom.core.randomness import seeded
from omniloom.data.problems import Mixture
from omniloom.data.speech.listener import Listener
from omniloom.evaluation.endpoints import Client
from omniloom.evaluation.endpoints.talker import ServedOmni
from omniloom.evaluation.few_shot import EndpointLanguageModel, OmniLanguageModel, evaluate_few_shot, load_records
from omniloom.evaluation.rows import rows_of
from omniloom.evaluation.suites import load_reports
from omniloom.evaluation.world import evaluate
from omniloom.generation import Omni
from omniloom.generation.rerank import Reranker
from omniloom.models.pictures import Contrastive
from omniloom.stream.parts import Audio


def items_of(path: Path) -> dict[tuple[Any, ...], Any]:
    return {own.key: (own.given, own.score) for own in load_records(path)}


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
        [own.option_scores for own in sorted(load_records(tmp_path / f"{place}.jsonl"), key=lambda own: own.key)]
        for place in (0, 1)
    ]
    scored = [[own for own in each if own] for each in scores]
    assert len(scored[0]) == 16
    for own, other in zip(*scored, strict=True):
        # Of a JSON number nothing is lost; sums are taken in another order.
        assert own == pytest.approx(other, rel=1e-12)


def both(tiny: Omni, address: str, folder: Path, **settings: Any) -> list[dict[str, Any]]:
    """Every judgement of the world, of the checkpoint and of its server, by the item's name."""
    served = ServedOmni(Client(address, "tiny"), codecs=tiny.codecs)
    found = []
    for place, omni in enumerate((tiny, served)):
        path = folder / f"{place}.jsonl"
        report = evaluate(omni, listener=Listener.load(), speakers=False, results=path, splits=("new",), **settings)
        assert len(report.cells) == len(settings.get("cells", ())) or "cells" not in settings
        lines = [json.loads(line) for line in path.read_text().splitlines()[1:]]
        found.append({line["key"]: line["value"] for line in lines})
    return found


CELLS = ("text-to-image", "audio-to-text", "image-to-audio", "video-to-text", "audio-to-image")


def test_the_world_is_answered_through_the_wire_as_it_is_here(tiny: Omni, address: str, tmp_path: Path) -> None:
    here, there = both(tiny, address, tmp_path, limit=4, cells=CELLS)
    assert here == there and len(here) == 8 * len(CELLS)
    assert {value["score"] for value in here.values()} == {0.0, 1.0}


SUMS = """
from omniloom.data.problems import PairProblem, TextPair, problems


@problems.register("test_sums")
class Sums(PairProblem):
    name, summary, licence, origin, metric = "test_sums", "sums in words", "own", "made", "exact_match"
    asks = "What is {}?"

    def generate(self, split):
        names = "zero one two three four five six seven eight".split()
        sums = [(a, b) for a in range(9) for b in range(9 - a)]
        return [TextPair(f"{a} plus {b}", f"0{a}+0{b}=0{a + b}: {names[a + b]}") for a, b in sums]
"""


def test_held_out_pairs_are_answered_through_the_wire_as_they_are_here(address: str, tmp_path: Path) -> None:
    file = tmp_path / "sums.py"
    file.write_text(SUMS)
    command = ["evaluate", "pairs", "--problem-file", str(file), "--problems", "test_sums,test_sums_rev"]
    found, rows = [], []
    for name, model in (("here", ["--checkpoint", "tiny"]), ("there", ["--endpoint", address, "--model", "tiny"])):
        results, report = tmp_path / f"{name}.jsonl", tmp_path / f"{name}.json"
        assert main([*command, *model, "--limit", "20", "--results", str(results), "--json", str(report)]) == 0
        lines = [json.loads(line) for line in results.read_text().splitlines()[1:]]
        found.append({line["key"]: line["value"] for line in lines})
        rows.append(load_reports(report)[0].rows)
    assert found[0] == found[1] and len(found[0]) == 40
    assert rows[0] == rows[1] and rows[0][0].score > 0.9 > rows[0][1].score


def test_drawings_are_those_of_the_checkpoint_candidate_for_candidate(tiny: Omni, address: str, tmp_path: Path) -> None:
    """Drawn so hot that some are wrong, and ranked by a network whose every cosine must be the same."""
    config = Contrastive.Config(
        text_vocabulary=len(tiny.codecs.text.token_bytes), text_length=64, side=64, patch=16, width=16, num_heads=2,
        space=8,
    )  # fmt: skip
    with seeded("untrained reranker"):
        Reranker(Contrastive(config), tiny.codecs.text).save(tmp_path / "reranker")  # type: ignore[arg-type]
    settings = ["--reranker", str(tmp_path / "reranker"), "--candidates", "5", "--drawn-at", "3.5", "--limit", "3"]
    found, rows = [], []
    for name, model in (("here", ["--checkpoint", "tiny"]), ("there", ["--endpoint", address, "--model", "tiny"])):
        results, report = tmp_path / f"{name}.jsonl", tmp_path / f"{name}.json"
        files = ["--results", str(results), "--json", str(report)]
        with made_up_emoji():
            assert main(["evaluate", "pictures", *model, *settings, *files]) == 0
        lines = [json.loads(line) for line in results.read_text().splitlines()[1:]]
        found.append({line["key"]: line["value"] for line in lines})
        rows.append(load_reports(report)[0].rows)
    assert found[0] == found[1] and len(found[0]) == 2 * 3 * 5
    assert {value["right"] for key, value in found[0].items() if key.startswith("scenes")} == {0.0, 1.0}
    assert len({value["fit"] for value in found[0].values()}) > 20
    assert [replace(row, note="") for row in rows[0]] == [replace(row, note="") for row in rows[1]]
    assert rows[1][0].note == "losses of captions cannot be asked through the wire"


@pytest.mark.slow
def test_every_row_of_the_world_is(tiny: Omni, address: str, tmp_path: Path) -> None:
    """But for turns after a spoken reply: of earlier sound, and of where it was cut, the wire takes only words."""
    here, there = both(tiny, address, tmp_path, limit=8)
    assert here.keys() == there.keys() and len(here) > 600
    world = Mixture()
    spoken_before = {
        row.name
        for row in rows_of(world)
        if any(
            isinstance(part, Audio)
            for number in range(8)
            for message in row.example(world, "new", number).prompt
            if message.role == "assistant"
            for part in message.parts
        )
    }
    differing = {key for key in here if here[key] != there[key]}
    assert 0 < len(spoken_before) <= 3
    assert {key.split()[1] for key in differing} <= spoken_before and len(differing) <= 6, sorted(differing)


@pytest.mark.slow
def test_a_server_that_is_killed_half_way_costs_nothing_that_was_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A real process, ended without a word in the midst of its answers, and started anew at the same place."""
    monkeypatch.setattr("omniloom.evaluation.endpoints.client.MAX_RETRIES", 1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    results = tmp_path / "items.jsonl"
    arguments = [
        "evaluate", "world", "--endpoint", f"http://127.0.0.1:{port}/v1", "--model", "tiny", "--limit", "40", "--cells",
        "text-to-text", "audio-to-text", "--splits", "new", "--no-speakers", "--results", str(results),
    ]  # fmt: skip

    def num_kept() -> int:
        return len(results.read_text().splitlines()) - 1 if results.exists() else 0

    first = Child(tmp_path, "tiny", "--port", port)
    try:
        first.wait_until_ready()
        killer = threading.Thread(target=lambda: first.wait_for(lambda: num_kept() >= 30) and first.process.kill())
        killer.start()
        assert main(arguments) == 2
        killer.join()
    finally:
        first.process.kill()
        first.process.wait()
    assert "finished items are kept" in capsys.readouterr().err
    num_before = num_kept()
    assert 30 <= num_before < 160
    second = Child(tmp_path, "tiny", "--port", port)
    try:
        second.wait_until_ready()
        assert main([*arguments, "--json", str(tmp_path / "report.json")]) == 0
    finally:
        assert second.end() == 0
    (report,) = load_reports(tmp_path / "report.json")
    assert [row.n for row in report.rows] == [40, 40]
    keys = [json.loads(line)["key"] for line in results.read_text().splitlines()[1:]]
    assert len(keys) == len(set(keys)) and (report.num_kept, report.num_asked) == (num_before, len(keys) - num_before)


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
