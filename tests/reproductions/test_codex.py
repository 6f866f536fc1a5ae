"""Codex's rows say what samples show, and a whole small run can be broken off and taken up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from omniloom.evaluation.code import Judged, report_of
from omniloom.evaluation.code.evaluation import Samples
from omniloom.recipes.text_model import text_shape
from omniloom.reproductions import reproductions
from omniloom.reproductions.codex import judge, run, runs
from omniloom.reproductions.codex.run import plan_of, relation_rows
from omniloom.reproductions.result import Row
from omniloom.sandbox import Sandbox, SandboxUnavailable


def problem(*right: int, best: int = 0, count: int = 10) -> list[Judged]:
    """`count` samples of which those numbers are right; `best` is the likeliest."""
    return [
        Judged(completion=str(n), passed=n in right, mean_logprob=-1.0 if n == best else -2.0) for n in range(count)
    ]


COLD = [problem(*range(10)), problem(*range(10)), problem(), problem()]
WARM = [problem(0, 1), problem(0, 1, 2), problem(5), problem(6)]


def rows_of(samples: Samples) -> dict[str, Row]:
    return {row.name: row for row in relation_rows(samples, report_of(samples))}


def test_relations_that_hold() -> None:
    rows = rows_of({0.2: COLD, 1.0: WARM})
    assert rows["pass@10 over pass@1"].holds is True and rows["pass@10 over pass@1"].here == "50.0% and 100.0%: 2.00x"
    assert rows["best temperature"].holds is True
    chosen = rows["chosen by mean log-probability"]
    assert chosen.holds is True and chosen.here is not None and chosen.here.startswith("50.0%; random 17.5%, oracle 10")
    assert rows["chosen by back-scoring"].holds == "not tested"


def test_relations_that_do_not_hold() -> None:
    solved = [problem(*range(10)) for _ in range(4)]
    rows = rows_of({0.2: solved, 1.0: solved})
    assert not any(
        rows[name].holds is True
        for name in ("pass@10 over pass@1", "best temperature", "chosen by mean log-probability")
    )
    nothing = [problem() for _ in range(4)]
    assert rows_of({0.2: nothing, 1.0: nothing})["pass@10 over pass@1"].holds is False
    worst = [problem(3, best=0), problem(3, best=0), problem(4, best=0)]
    assert rows_of({0.2: COLD[:3], 1.0: worst})["chosen by mean log-probability"].holds is False


def test_a_quick_run_that_solves_next_to_nothing_has_tested_nothing() -> None:
    samples = {0.2: [problem(0), problem(), problem()], 1.0: [problem(0), problem(), problem()]}
    rows = relation_rows(samples, report_of(samples), fewest_solved=2)
    assert {row.holds for row in rows} == {"not tested"}
    assert {row.holds for row in relation_rows(samples, report_of(samples), fewest_solved=1)} > {True, False}


def test_runs_of_spaces_save_tokens_of_a_tokenizer_that_never_saw_them() -> None:
    code = ["def f(x):\n" + "".join(f"{'    ' * depth}if x > {depth}:\n" for depth in range(1, 6))] * 4
    prose = ["if a word comes more than once it is one token, def or not"] * 20
    assert runs.saved(prose, code, vocab_size=300) > 0.3
    assert runs.saved(code, code, vocab_size=300) < 0.1


def test_the_estimator_row_counts_all_subsets() -> None:
    row = judge._estimator_row()
    assert row.holds is True


def test_efforts_differ_in_size_alone() -> None:
    quick, usual, full = (plan_of(effort) for effort in ("quick", "usual", "full"))
    assert quick.recipe.functions.num_steps < usual.recipe.functions.num_steps
    assert usual.recipe == full.recipe and full.num_problems > usual.num_problems > quick.num_problems
    assert all(own.num_samples >= 100 and len(own.temperatures) > 1 for own in (quick, usual, full))


@pytest.mark.slow
def test_a_small_run_writes_its_figure_and_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        Sandbox().close()
    except SandboxUnavailable as error:
        pytest.skip(f"no containment here: {error}")
    plan = plan_of("usual")
    recipe = plan.recipe
    assert recipe.inverse is not None
    small = replace(
        recipe,
        vocab_size=400,
        model=text_shape(1, num_heads=1),
        num_files=6,
        num_functions=40,
        base=replace(recipe.base, num_steps=2, num_rows=1),
        functions=replace(recipe.functions, num_steps=2, num_rows=1),
        inverse=replace(recipe.inverse, num_steps=2, num_rows=1),
    )
    tiny = replace(plan, recipe=small, num_problems=3, num_samples=3, temperatures=(0.2, 1.0), human_eval_samples=0)
    monkeypatch.setattr(run, "plan_of", lambda effort: tiny)
    monkeypatch.setattr(run, "runs_row", lambda: Row(name="runs", paper="", bar="", here=None))
    monkeypatch.setattr(run, "judge_rows", lambda *, is_whole: [])
    result = reproductions.get("codex").run(effort="usual", out=tmp_path, checkpoint="")
    assert (tmp_path / "codex.png").stat().st_size > 5_000
    items = (tmp_path / "items.jsonl").read_bytes()
    weights = (tmp_path / "model" / "checkpoint" / "model.safetensors").stat().st_mtime_ns
    again = reproductions.get("codex").run(effort="usual", out=tmp_path, checkpoint="")
    assert again.rows == result.rows and (tmp_path / "items.jsonl").read_bytes() == items
    assert (tmp_path / "model" / "checkpoint" / "model.safetensors").stat().st_mtime_ns == weights
