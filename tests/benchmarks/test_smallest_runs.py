"""Each benchmark that takes long runs once at its smallest, so that none rots."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from omniloom.data.problems import CELLS
from omniloom.recipes.tiny import train_tiny
from tests.end_to_end.test_tiny_recipe import MICRO

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


def run(script: str, *arguments: str, may_fail: bool = False) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / script), *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0 or (may_fail and "FAILS" in done.stdout), done.stderr[-2000:]


def test_learning_curve_scores_every_kept_checkpoint(tmp_path: Path) -> None:
    train_tiny(MICRO, out=tmp_path / "run")
    run("training/learning_curve.py", str(tmp_path / "run"), "--limit", "2", "--out", str(tmp_path / "figures"))
    entries = json.loads((tmp_path / "figures" / "learning_curve.json").read_text())
    assert [entry["step"] for entry in entries] == [MICRO.training.num_steps]
    assert set(entries[0]["cells"]) == {f"{cell} {split}" for cell in CELLS for split in ("new", "composed")}
    assert (tmp_path / "figures" / "learning_curve.png").stat().st_size > 10_000
    run("training/loss_curve.py", str(tmp_path / "run"), "--out", str(tmp_path / "loss.png"))
    assert (tmp_path / "loss.png").stat().st_size > 10_000


@pytest.mark.skipif("OMNILOOM_DATA" not in os.environ, reason="people's digits are needed: set OMNILOOM_DATA")
def test_leave_one_speaker_out_reports_the_speaker_and_the_others(tmp_path: Path) -> None:
    train_tiny(MICRO, out=tmp_path / "run")
    smallest = ("--steps", "2", "--examples", "16", "--depth", "1", "--speakers", "george")
    run("evaluation/leave_one_speaker_out.py", str(tmp_path / "run" / "checkpoint"), *smallest, "--out", str(tmp_path))
    (row,) = json.loads((tmp_path / "leave_one_speaker_out.json").read_text())
    assert row["left_out"] == "george"
    assert row["n"] == 80
    assert 0 <= row["low"] <= row["written"] <= row["high"] <= 1
    more = (*smallest, "--without", "gain,speed", "--out", str(tmp_path))
    run("evaluation/leave_one_speaker_out.py", str(tmp_path / "run" / "checkpoint"), *more)
    rows = json.loads((tmp_path / "augmentations.json").read_text())
    assert [row["without"] for row in rows] == ["", "gain", "speed"]
    assert rows[0] == row


def test_words_at_blocks_are_compared_with_none(tmp_path: Path) -> None:
    smallest = ("--steps", "2", "--examples", "32", "--depth", "1", "--limit", "2", "--out", str(tmp_path))
    run("training/words_at_blocks.py", "tiny", *smallest)
    found = json.loads((tmp_path / "words_at_blocks.json").read_text())
    assert set(found) == {"with", "without"}
    keys = {"ask_text new", "ask_text composed", "caption_text new", "caption_text composed"}
    assert set(found["with"]) == set(found["without"]) == keys


def test_sizes_are_compared_on_examples_held_out(tmp_path: Path) -> None:
    train_tiny(MICRO, out=tmp_path / "run")
    smallest = ("--minutes", "0.001", "--sizes", "1x1", "2x2", "--rows", "1", "--held-out", "8", "--out", str(tmp_path))
    for _ in range(2):
        run("training/compare_sizes.py", str(tmp_path / "run" / "data"), *smallest)
        rows = json.loads((tmp_path / "compare_sizes.json").read_text())
        assert [row["size"] for row in rows] == ["1x1", "2x2"]
        assert rows[0]["parameters"] < rows[1]["parameters"]
        assert all(row["losses"]["reply_text"] > 0 for row in rows)
    assert (tmp_path / "compare_sizes.png").stat().st_size > 10_000


@pytest.mark.parametrize("name", ["softmax", "softmax_topk", "sampling"])
def test_native_operators_are_compared_with_their_peers(tmp_path: Path, name: str) -> None:
    run(f"kernels/bench_{name}.py", "--quick", "--json", str(tmp_path / "found.json"))
    rows = json.loads((tmp_path / "found.json").read_text())
    ratios = [row["torch"] if name == "softmax" else row["over_torch"] for row in rows]
    assert ratios and all(ratio["value"] > 0 for ratio in ratios)


def test_picking_is_compared_with_picking_by_torch(tmp_path: Path) -> None:
    run("generation/bench_picking.py", "--quick", "--json", str(tmp_path / "found.json"))
    rows = json.loads((tmp_path / "found.json").read_text())
    assert {"text alone: greedy", "audio, 64 rows: temperature 1"} <= {row["name"] for row in rows}
    assert all(row["ours_us"] > 0 and row["over_torch"]["value"] > 0 for row in rows)


def test_forms_and_embeddings_are_measured(tmp_path: Path) -> None:
    path = tmp_path / "rules.json"
    run("generation/bench_rules.py", "--quick", "--json", str(path))
    found = json.loads(path.read_text())
    assert found["replies"]["held_ms"] > 0 and all(row["token_us"] > 0 for row in found["forms"])
    path = tmp_path / "embeddings.json"
    run("generation/bench_embeddings.py", "--quick", "--json", str(path))
    rows = json.loads(path.read_text())
    assert {row["model"] for row in rows} == {"tiny", "random weights"}
    assert all(0 <= own <= 1 for row in rows for own in row["scores"].values())


@pytest.mark.parametrize("operator", ["linear", "sparse_matmul"])
def test_kernels_are_compared_with_their_peers(tmp_path: Path, operator: str) -> None:
    path = tmp_path / "found.json"
    run(f"kernels/bench_{operator}.py", "--quick", "--json", str(path))
    assert json.loads(path.read_text())


def test_convolution_is_compared_with_its_peers(tmp_path: Path) -> None:
    run("kernels/bench_convolution.py", "--quick", "--json", str(tmp_path / "convolution.json"))
    found = json.loads((tmp_path / "convolution.json").read_text())
    assert set(found) == {"ratios", "streams", "speeds"}
    assert len(found["speeds"]) == 3
    assert all({"torch", "onednn rows", "indirect", "auto rows"} <= set(names) for names in found["speeds"].values())


def test_the_shipped_model_is_compared_with_torch_alone(tmp_path: Path) -> None:
    path = tmp_path / "tiny.json"
    run("generation/bench_tiny.py", "--quick", "--json", str(path))
    rows = json.loads(path.read_text())
    assert [row["job"] for row in rows] == ["text to text", "text to picture", "codes to sound"]
    assert all(row["is_same"] and row["ratio"]["value"] > 0 for row in rows)


def test_codecs_are_compared_with_torch(tmp_path: Path) -> None:
    run("codecs/bench_codecs.py", "--quick", "--json", str(tmp_path / "codecs.json"))
    rows = json.loads((tmp_path / "codecs.json").read_text())
    assert len(rows) == 10 and all(row["over_torch"]["value"] > 0 for row in rows)


@pytest.mark.skipif("OMNILOOM_DATA" not in os.environ, reason="people's digits are needed: set OMNILOOM_DATA")
def test_latency_tells_every_setting_and_goes_on_where_it_was(tmp_path: Path) -> None:
    smallest = ("--out", str(tmp_path), "--turns", "2", "--settings", "semantic_vad", "manual")
    for _ in range(2):
        # Bars may fail here, on two turns and a busy machine; what is told is what counts.
        run("serving/bench_latency.py", *smallest, may_fail=True)
        found = json.loads((tmp_path / "latency.json").read_text())
        assert [setting["setting"] for setting in found["settings"]] == ["semantic_vad", "manual"]
        assert all(setting["groups"]["all"]["n"] == 2 for setting in found["settings"])
    assert len((tmp_path / "turns.jsonl").read_text().splitlines()) == 4
    assert (tmp_path / "latency.png").stat().st_size > 10_000


@pytest.mark.skipif("OMNILOOM_DATA" not in os.environ, reason="people's digits are needed: set OMNILOOM_DATA")
def test_waits_are_chosen_from_what_was_heard_before_and_since(tmp_path: Path) -> None:
    path = tmp_path / "traces.jsonl"
    for num_turns in (1, 2):
        run("serving/choose_waits.py", "--out", str(tmp_path), "--turns", str(num_turns), "--show", "1")
        made, *traces = [json.loads(line) for line in path.read_text().splitlines()]
        assert set(made) == {"made_by"} and len({(trace["kind"], trace["index"]) for trace in traces}) == 2 * num_turns
        assert len(traces) == 2 * num_turns and all(len(trace["newest"]) == len(trace["at_s"]) for trace in traces)


def test_evaluation_is_compared_with_one_prompt_at_a_time(tmp_path: Path) -> None:
    run("evaluation/bench_few_shot.py", "--quick", "--json", str(tmp_path / "found.json"))
    rows = {row["task"]: row for row in json.loads((tmp_path / "found.json").read_text())}
    assert len(rows) == 8 and all(row["ratio"] > 0 for row in rows.values())
    assert {name for name, row in rows.items() if row["at_most"]} == {"1DC, 0 shots", "1DC, 5 shots", "omni, own shots"}
    assert rows["omni, own shots"]["computed"] < 1.2 * rows["omni, own shots"]["asked"]
    for shared in ("analogies, 5 shots", "omni, options", "omni, same shots", "omni, 16 samples"):
        assert rows[shared]["computed"] < 0.6 * rows[shared]["asked"]


def test_what_is_said_and_heard_is_measured(tmp_path: Path) -> None:
    run("evaluation/said_and_heard.py", "--count", "1", "--json", str(tmp_path / "found.json"))
    rows = json.loads((tmp_path / "found.json").read_text())
    assert [row["n"] for row in rows if "said" in row] == [1] * 12
    assert {row["heard"] for row in rows if "heard" in row} == {"digits alone", "phrases"}


def test_idle_sessions_cancels_and_load_are_measured(tmp_path: Path) -> None:
    path = tmp_path / "found.json"
    run("serving/bench_idle.py", "--sessions", "4", "--json", str(path), may_fail=True)
    assert json.loads(path.read_text())["sessions"] == 4
    run("serving/bench_load.py", "--mixed", "--minutes", "0.2", "--out", str(tmp_path), may_fail=True)
    assert json.loads((tmp_path / "mixed.json").read_text())["found"]["rss_mb"]["median"] > 0


@pytest.mark.skipif("OMNILOOM_DATA" not in os.environ, reason="people's digits are needed: set OMNILOOM_DATA")
def test_spoken_sessions_at_once_and_cancels_are_measured(tmp_path: Path) -> None:
    run("serving/bench_load.py", "--sessions", "2", "--minutes", "0.1", "--out", str(tmp_path), may_fail=True)
    (row,) = json.loads((tmp_path / "concurrent.json").read_text())["found"]
    assert row["turns"] >= 2 and row["sounds"] > 0 and not row["failures"]
    run("serving/bench_cancel.py", "--rounds", "2", "--json", str(tmp_path / "cancel.json"), may_fail=True)
    assert max(json.loads((tmp_path / "cancel.json").read_text())["steps"]) <= 1


def test_sessions_that_share_an_engine_are_compared_with_one(tmp_path: Path) -> None:
    run("generation/bench_engine.py", "--quick", "--json", str(tmp_path / "found.json"))
    found = json.loads((tmp_path / "found.json").read_text())
    assert {row["way"] for row in found["throughput"]} >= {"1 at a time", "2 at a time", "batches of 8", "8 streamed"}
    assert all(row["tokens_per_s"] > 0 for row in found["throughput"]) and found["steps_after_cancel"] == 0


@pytest.mark.service
def test_what_a_browser_does_to_the_microphone_is_told(tmp_path: Path) -> None:
    pytest.importorskip("playwright")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        pytest.skip("no Chromium was found; install it (Debian: apt-get install chromium) or run make browser")
    options = ("--rooms", "quiet", "--limit", "2", "--choices", "all on", "all off")
    run("page/microphone.py", "--chromium", chromium, *options, "--out", str(tmp_path / "rows.json"))
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert [row["choice"] for row in rows] == 2 * ["the wire", "all on", "all off"]
    # The high-pass that comes with processing shows in the sound; a shift by a fraction of a sample does not.
    assert all((row["likeness"] < 0.95) == (row["choice"] == "all on") for row in rows)


def test_decoding_of_an_encoder_decoder_is_compared_with_its_uncached_self(tmp_path: Path) -> None:
    run("generation/bench_beam.py", "--quick", "--json", str(tmp_path / "found.json"))
    rows = json.loads((tmp_path / "found.json").read_text())
    assert [(row["rows"], row["beams"]) for row in rows] == [(1, 1), (1, 4), (32, 1), (32, 4)]
    assert all(row["cached_ids_per_s"] > 0 and row["uncached_ids_per_s"] > 0 for row in rows)
