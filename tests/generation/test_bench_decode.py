"""The benchmark runs, and says what it measured."""

import json
import runpy
import sys
from pathlib import Path

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "generation" / "bench_decode.py"


def test_the_benchmark_runs(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(sys, "argv", [str(BENCHMARK), "--quick", "--json", str(tmp_path / "numbers.json")])
    monkeypatch.setattr("torch.set_num_threads", lambda count: None)  # the other tests keep theirs
    runpy.run_path(str(BENCHMARK), run_name="__main__")
    assert "x the bare loop" in capsys.readouterr().out
    names = [row["name"] for row in json.loads((tmp_path / "numbers.json").read_text())]
    assert names[0] == "bare loop, float32"
    assert names[-1] == "last speech in, first sound out"
