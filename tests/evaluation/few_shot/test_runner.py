"""Runs: scores, likelihoods by token and normalised, finished items kept, a stopped run gone on with."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from omniloom.evaluation.few_shot import (
    Constant,
    FreeForm,
    Item,
    Likelihood,
    Options,
    Oracle,
    ScoreRequest,
    Task,
    WriteRequest,
    add_task,
    evaluate_few_shot,
    load_records,
    load_task_file,
)
from omniloom.evaluation.few_shot.answering import answers
from omniloom.evaluation.few_shot.metrics import BLEU, F1, word_f1
from omniloom.evaluation.few_shot.prompts import Prompt
from omniloom.evaluation.few_shot.selection import PAPER, chosen_tasks
from omniloom.evaluation.few_shot.tasks import arithmetic, gsm8k
from omniloom.evaluation.intervals import wilson

NUMBERS = add_task(
    Task(
        name="test-next-number",
        load=lambda split: [
            Item(context=f"\n{number} then", answers=(f" {number + 1}",), group="even" if number % 2 == 0 else "odd")
            for number in (range(100) if split == "test" else range(500, 520))
        ],
        answering=FreeForm(),
        shots=3,
    )
)


class Counting(Constant):
    """Knows the next number of odd ones, and dies after so many items."""

    def __init__(self, *, dies_after: int = 10**9, name: str = "counting") -> None:
        self.name, self.num_asked, self._left = name, 0, dies_after

    def write(self, requests: Sequence[WriteRequest]) -> Iterator[tuple[int, str]]:
        for place, request in enumerate(requests):
            if not self._left:
                raise ConnectionError("gone")
            self._left -= 1
            self.num_asked += 1
            number = int(request.prefix.rpartition("\n")[2].split()[0])
            yield place, f" {number + number % 2}"


def test_scores_groups_and_chance() -> None:
    (row,) = evaluate_few_shot(Counting(), ["test-next-number"], shots=("few",)).rows
    assert (row.score, row.n, row.num_shots, row.groups) == (0.5, 100, 3.0, {"even": 0.0, "odd": 1.0})
    assert row.chance == 0.01 and row.low < 0.5 < row.high and row.is_above_chance
    assert 0.35 < row.low < 0.45 < 0.55 < row.high < 0.65


def test_resumed_equals_uninterrupted(tmp_path: Path) -> None:
    whole, halves = tmp_path / "whole.jsonl", tmp_path / "halves.jsonl"
    run = {"names": ["test-next-number"], "shots": (0, 1), "seed": 2, "limit": 90}
    expected = evaluate_few_shot(Counting(), results=whole, **run)
    with pytest.raises(ConnectionError):
        evaluate_few_shot(Counting(dies_after=100), results=halves, **run)
    assert len(load_records(halves)) == 100, "what was finished is kept"
    halves.write_bytes(halves.read_bytes()[:-20])  # killed while it wrote the last line
    model = Counting()
    assert evaluate_few_shot(model, results=halves, **run) == expected
    assert model.num_asked == 180 - 99, "what was finished is not asked again"
    assert sorted(halves.read_text().splitlines()) == sorted(whole.read_text().splitlines())
    again = Counting()
    assert evaluate_few_shot(again, results=halves, **run) == expected and again.num_asked == 0


def test_results_of_something_else_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    run = {"names": ["test-next-number"], "shots": (0,), "limit": 5, "results": path}
    evaluate_few_shot(Counting(), **run)
    with pytest.raises(
        ValueError, match=r"another evaluation: subject was 'counting' and is 'other'; give another --results"
    ):
        evaluate_few_shot(Counting(name="other"), **run)
    with pytest.raises(ValueError, match=r"another evaluation: seed was 0 and is 1; give another --results"):
        evaluate_few_shot(Counting(), **run, seed=1)
    head, first, *lines = path.read_text().splitlines()
    changed = json.loads(first)
    changed["value"]["prompt"] = "0123456789abcdef"
    path.write_text("\n".join([head, json.dumps(changed), *lines]) + "\n")
    with pytest.raises(ValueError, match=r"answers another prompt for item \d+ of test-next-number with 0 shots"):
        evaluate_few_shot(Counting(), **run)
    path.write_text("\n".join([head, "{broken", *lines]) + "\n")
    with pytest.raises(ValueError, match=r"is damaged at line 2 .* delete that line"):
        evaluate_few_shot(Counting(), **run)


@pytest.mark.parametrize("data", [b"a letter to a friend", b'{"model": 3}', b"a letter\nof two lines\n"])
def test_what_is_no_file_of_items_is_refused_and_left_alone(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "letter.txt"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"letter.txt .* give another --results"):
        evaluate_few_shot(Counting(), ["test-next-number"], shots=(0,), limit=5, results=path)
    assert path.read_bytes() == data


def test_where_few_are_right_the_interval_is_wilsons() -> None:
    class Seldom(Counting):
        def write(self, requests: Sequence[WriteRequest]) -> Iterator[tuple[int, str]]:
            for place, _ in enumerate(requests):
                yield place, " 2"

    (row,) = evaluate_few_shot(Seldom(), ["test-next-number"], shots=(0,)).rows
    assert (row.score, row.method) == (0.01, "Wilson")
    assert (row.low, row.high) == pytest.approx(wilson(0.01, 100), rel=1e-12)
    (row,) = evaluate_few_shot(Counting(), ["test-next-number"], shots=(0,)).rows
    assert row.method == "bootstrap"


class Fixed(Constant):
    """Options have likelihoods of their own, and others where nothing was asked."""

    def score(self, requests: Sequence[ScoreRequest]) -> Iterator[tuple[int, tuple[Likelihood, ...]]]:
        after = {"Q": {" a b": -4.0, " c": -3.0}, "Answer:": {" a b": -6.0, " c": -3.5}}
        for place, own in enumerate(requests):
            yield place, tuple(Likelihood(after[own.prefix][text], len(text.split())) for text in own.continuations)


def test_options_are_chosen_by_token_or_against_what_they_are_without_context() -> None:
    item = Item(context="Q", answers=(" c",), options=(" a b", " c"))
    found = {}
    for scoring in ("per-token", "normalised"):
        task = Task(name="test", load=lambda split: [item], answering=Options(scoring=scoring))
        ((_, found[scoring]),) = answers(Fixed(), task, [Prompt(item=item, text="Q", num_shots=0)])
    assert found["per-token"].option_scores == (-2.0, -3.0) and found["per-token"].given == " a b"
    assert found["normalised"].option_scores == (2.0, 0.5) and found["normalised"].score == 0.0


def test_an_item_that_does_not_fit_counts_as_wrong_and_is_told() -> None:
    class Small(Counting):
        context = 39

    (row,) = evaluate_few_shot(Small(), ["test-next-number"], shots=(0,)).rows
    assert row.num_too_long == 90 and row.score == 0.05 and "90 too long" in row.notes


def test_the_report_is_written_and_shown(tmp_path: Path) -> None:
    from rich.console import Console

    report = evaluate_few_shot(Constant(), ["test-next-number"], shots=(0, "max"), limit=4)
    report.save(tmp_path / "report.json")
    found = json.loads((tmp_path / "report.json").read_text())
    assert found["model"] == "constant '0'" and [row["shots"] for row in found["rows"]] == ["0", "max"]
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(report.table())
    shown = console.export_text()
    assert "max (20)" in shown and "chance" in shown


def test_words_in_common() -> None:
    assert word_f1("The cat sat.", "a cat sat down") == pytest.approx(0.8)
    assert F1.score("dog", ["cat", "a dog"]) == 1.0 and word_f1("", "the") == 1.0 and word_f1("x", "") == 0.0


def test_bleu_is_that_of_sacrebleu_with_its_signature() -> None:
    from sacrebleu.metrics import BLEU as Sacrebleu

    given = ["the cat sat on the mat today", "a dog ran off home now"]
    answers = [["the cat sat on the mat", "on the mat sat a cat"], ["a dog ran home right now"]]
    found = BLEU.total([0.0, 0.0], given, answers, seed=0)
    streams = [[own[0] for own in answers], [answers[0][1], None]]
    assert found.score == pytest.approx(Sacrebleu().corpus_score(given, streams).score / 100, abs=1e-6)
    assert found.interval.low <= found.score <= found.interval.high
    assert "tok:13a" in found.signature and "nrefs:var" in found.signature
    assert BLEU.score(given[0], [given[0]]) == pytest.approx(1.0)


USERS_FILE = """
from omniloom.evaluation.few_shot import Item, Options, Task, add_task

CAPITALS = {"France": "Paris", "Japan": "Tokyo", "Kenya": "Nairobi", "Peru": "Lima"}


def load(split):
    names = list(CAPITALS)[:1] if split == "train" else list(CAPITALS)[1:]
    options = tuple(f" {city}" for city in CAPITALS.values())
    return [Item(context=f"{name}:", answers=(f" {CAPITALS[name]}",), options=options) for name in names]


add_task(Task(name="test-capitals", load=load, answering=Options(), separator="\\n", shots=1))
"""


def test_a_task_of_ones_own_is_one_file(tmp_path: Path) -> None:
    path = tmp_path / "capitals.py"
    path.write_text(USERS_FILE)
    assert load_task_file(path) == ["test-capitals"]
    (task,) = [task for task in [chosen_tasks(["test-cap*"])] if task]
    from omniloom.evaluation.few_shot import few_shot_tasks

    report = evaluate_few_shot(Oracle(few_shot_tasks.get("test-capitals")), task)
    assert [row.score for row in report.rows] == [1.0, 1.0, 1.0] and report.rows[0].chance == 0.25
    with pytest.raises(ValueError, match="is no Python file"):
        load_task_file(tmp_path / "nothing.py")
    (tmp_path / "empty.py").write_text("")
    with pytest.raises(ValueError, match="adds no task; call omniloom"):
        load_task_file(tmp_path / "empty.py")


def test_tasks_are_chosen_by_name_or_pattern() -> None:
    assert chosen_tasks([]) == list(PAPER) and len(PAPER) == 22
    assert chosen_tasks(["RW", "2D?", "RW"]) == ["RW", "2D+", "2D-", "2Dx"]
    with pytest.raises(ValueError, match="unknown few-shot task 'close'; did you mean 'cloze'"):
        chosen_tasks(["close"])
    with pytest.raises(ValueError, match="name at least one task"):
        evaluate_few_shot(Constant(), [])


def test_a_damaged_or_missing_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "gsm8k" / "grade_school_math" / "data" / "test.jsonl"
    place.parent.mkdir(parents=True)
    place.write_text('{"question": "1?", "answer": "#### 2"}\n')
    monkeypatch.setenv("OMNILOOM_DATA", str(tmp_path))
    monkeypatch.setenv("OMNILOOM_CACHE", str(tmp_path / "cache"))
    with pytest.raises(
        ValueError, match=r"test\.jsonl has the checksum .* replace it, or leave the tasks that need it"
    ):
        gsm8k.GSM8K.items("test")
    monkeypatch.setattr("urllib.request.urlopen", lambda *args, **kwargs: (_ for _ in ()).throw(OSError("offline")))
    with pytest.raises(
        ValueError, match=r"could not be downloaded \(offline\); connect to the network, or put the data"
    ):
        gsm8k.GSM8K.items("train")


def test_the_paper_s_numbers_of_items_and_shots() -> None:
    assert (arithmetic.NUM_ITEMS, arithmetic.SHOTS) == (2000, 50)
