"""Programs are sampled once, run once and contained, and what is finished is not done again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.evaluation.code.conftest import PROBLEMS

from omniloom.evaluation.code import CodeSettings, Sample, SampleRequest, evaluate_code
from omniloom.evaluation.code import evaluation as module
from omniloom.evaluation.code.attacks import ATTACKS, FORGERS, run_attacks
from omniloom.evaluation.suites.items import Items
from omniloom.sandbox import Job, Result, SandboxUnavailable

SETTINGS = CodeSettings(num_samples=4, temperatures=(0.2, 0.8), seed=3)


class Writer:
    """Doubles rightly where its seed is even; stops half-way if asked to."""

    name = "writer"

    def __init__(self, *, stops_after: int | None = None) -> None:
        self.asked: list[SampleRequest] = []
        self.stops_after = stops_after

    def sample(self, requests: Sequence[SampleRequest]) -> Iterator[tuple[int, Sample]]:
        for place, request in enumerate(requests):
            if self.stops_after is not None and len(self.asked) == self.stops_after:
                raise KeyboardInterrupt
            self.asked.append(request)
            factor = 2 + request.seed % 2
            yield place, Sample(f"    return {factor} * x\n", -1.0 * factor, 4)


def items(path: Path | None) -> Items:
    return Items(path, suite="code", subject="writer", settings={})


@pytest.fixture
def num_run(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many programs each call ran."""
    counts: list[int] = []
    whole = module.run_many

    def run_many(jobs: Sequence[Job], **options: Any) -> list[Result]:
        counts.append(len(jobs))
        return whole(jobs, **options)

    monkeypatch.setattr(module, "run_many", run_many)
    return counts


def test_each_program_is_run_once_however_often_it_was_written(contained: None, num_run: list[int]) -> None:
    writer = Writer()
    found = evaluate_code(writer, PROBLEMS, SETTINGS, items(None))
    assert len(writer.asked) == 2 * len(PROBLEMS) * 4 and len({own.seed for own in writer.asked}) == 16
    assert sum(num_run) == 4, "two programs of each of two problems"
    for samples in found.values():
        for own in (judged for problem in samples for judged in problem):
            assert own.passed == ("2 * x" in own.completion)
            assert own.mean_logprob == (-0.5 if own.passed else -0.75)


def test_a_stopped_run_goes_on_without_doing_anything_again(
    contained: None, tmp_path: Path, num_run: list[int]
) -> None:
    path = tmp_path / "items.jsonl"
    stopped = Writer(stops_after=5)
    with pytest.raises(KeyboardInterrupt):
        evaluate_code(stopped, PROBLEMS, SETTINGS, items(path))
    assert num_run == []
    rest = Writer()
    found = evaluate_code(rest, PROBLEMS, SETTINGS, items(path))
    assert len(rest.asked) == 16 - 5 and not {own.seed for own in rest.asked} & {own.seed for own in stopped.asked}
    assert found == evaluate_code(Writer(), PROBLEMS, SETTINGS, items(None))
    num_run.clear()
    again = Writer()
    assert evaluate_code(again, PROBLEMS, SETTINGS, items(path)) == found
    assert again.asked == [] and num_run == []


def test_more_problems_go_on_from_fewer_and_a_changed_one_is_done_again(
    contained: None, tmp_path: Path, num_run: list[int]
) -> None:
    path = tmp_path / "items.jsonl"
    evaluate_code(Writer(), PROBLEMS[:1], SETTINGS, items(path))
    num_run.clear()
    more = Writer()
    evaluate_code(more, PROBLEMS, SETTINGS, items(path))
    assert len(more.asked) == 8 and sum(num_run) == 2
    num_run.clear()
    changed = replace(PROBLEMS[0], test="assert double(4) == 12\n")
    again = Writer()
    found = evaluate_code(again, [changed, PROBLEMS[1]], SETTINGS, items(path))
    assert len(again.asked) == 8 and sum(num_run) == 2
    assert all(own.passed == ("3 * x" in own.completion) for own in found[0.2][0])


def test_without_containment_nothing_is_even_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*, allow_uncontained: bool) -> Any:
        if not allow_uncontained:
            raise SandboxUnavailable("no namespaces here; insist with allow_uncontained")
        return type("Opened", (), {"close": lambda self: None})()

    monkeypatch.setattr(module, "Sandbox", refuse)
    writer = Writer()
    with pytest.raises(SandboxUnavailable, match="insist"):
        evaluate_code(writer, PROBLEMS, SETTINGS, items(None))
    assert writer.asked == []
    told: list[bool] = []

    def run_many(jobs: Sequence[Job], *, title: None, allow_uncontained: bool) -> list[Result]:
        told.append(allow_uncontained)
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "run_many", run_many)
    with pytest.raises(KeyboardInterrupt):
        evaluate_code(writer, PROBLEMS, CodeSettings(allow_uncontained=True), items(None))
    assert told == [True]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_samples": 0}, "must be at least 1, got 0"),
        ({"temperatures": ()}, "temperatures must be at least one, each once"),
        ({"temperatures": (0.2, 0.2)}, "each once"),
        ({"temperatures": (0.0, 1.0)}, "at temperature 0 all samples are the same one"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CodeSettings(**settings)


def test_no_problem_is_refused(contained: None) -> None:
    with pytest.raises(ValueError, match="there is no problem to solve"):
        evaluate_code(Writer(), [], SETTINGS, items(None))


def test_attacks_are_run_as_anybody_runs_them(contained: None) -> None:
    assert len(ATTACKS) + len(FORGERS) >= 100
    names = ["network by socket", "verdict: exit at once", "verdict: patches builtins", "verdict: equal to everything"]
    found = run_attacks(names)
    assert [own.name for own in found] == names and all(own.is_contained for own in found), found
    with pytest.raises(ValueError, match="there is no attack 'nothing'"):
        run_attacks(["nothing"])
