"""Suites by name, and one of a user's own in one file: the documentation's, run."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from omniloom import Omni
from omniloom.cli import main
from omniloom.evaluation.suites import Suite, add_suite, load_reports, load_suite_file, suite, suites
from omniloom.evaluation.suites.catalogue import SHIPPED

PAGE = (Path(__file__).parents[3] / "docs" / "evaluate.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def own_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("suites") / "sums.py"
    path.write_text(PAGE.partition("```python\n")[2].partition("```")[0], encoding="utf-8")
    assert load_suite_file(path) == ["sums"]
    return path


@pytest.fixture(autouse=True)
def loaded_once(own_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omniloom.cli.commands.evaluate.load_suite_file", lambda path: None)


def test_the_file_of_the_documentation_runs_and_goes_on(
    own_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["evaluate", "sums", "--suite-file", str(own_file), "--largest", "8"]
    files = ["--results", str(tmp_path / "sums.jsonl"), "--json", str(tmp_path / "sums.json")]
    assert main([*arguments, "--limit", "6", *files]) == 0
    assert "sums" in capsys.readouterr().out
    (small,) = load_reports(tmp_path / "sums.json")
    assert main([*arguments, "--limit", "10", *files]) == 0
    (large,) = load_reports(tmp_path / "sums.json")
    assert [(own.num_kept, own.num_asked, own.rows[0].n) for own in (small, large)] == [(0, 6, 6), (6, 4, 10)]
    assert large.rows[0].baseline == 1 / 17 and large.settings == {"largest": 8}
    assert large.command.startswith("omniloom evaluate sums --suite-file")
    assert len((tmp_path / "sums.jsonl").read_text().splitlines()) == 11


def test_several_suites_give_one_table_and_one_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add_suite(
        Suite(name="test-again", summary="sums again", run=suite("sums").run, add_arguments=suite("sums").add_arguments)
    )
    files = ["--json", str(tmp_path / "both.json"), "--results", str(tmp_path / "items.jsonl")]
    assert main(["evaluate", "sums", "test-again", "sums", "--limit", "4", "--seed", "5", *files]) == 0
    out = capsys.readouterr().out
    assert "test-again" in out and out.count("baseline") == 1
    found = load_reports(tmp_path / "both.json")
    assert [own.suite for own in found] == ["sums", "test-again"] and found[0].rows == found[1].rows
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "both.json",
        "items.sums.jsonl",
        "items.test-again.jsonl",
    ]


def test_items_are_kept_beside_the_json_until_it_is_whole(tmp_path: Path) -> None:
    def stopped(job: object) -> None:
        assert json.loads((tmp_path / "both.json").read_text())["reports"][0]["suite"] == "sums"
        raise KeyboardInterrupt

    add_suite(Suite(name="test-stopped", summary="stops", run=stopped))  # type: ignore[arg-type]
    assert main(["evaluate", "sums", "test-stopped", "--limit", "3", "--json", str(tmp_path / "both.json")]) == 130
    assert sorted(path.name for path in tmp_path.iterdir()) == ["both.json", "both.json.sums.partial"]
    assert main(["evaluate", "sums", "--limit", "3", "--json", str(tmp_path / "one.json")]) == 0
    assert not (tmp_path / "one.json.partial").exists()


def test_the_list_shows_every_suite(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "--list"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in suites())


def test_the_page_says_of_every_suite_what_the_list_says() -> None:
    lines = PAGE.partition("| Suite | What | Takes |\n|---|---|---|\n")[2].partition("\n\n")[0].splitlines()
    told = {name.strip("` "): takes.strip() for _, name, _, takes, _ in (line.split("|") for line in lines)}
    shipped = [import_module(module).SUITE for module in SHIPPED]
    words = {"checkpoint": "checkpoint", "endpoint": "endpoint", "transformers": "model of transformers"}
    listed = {own.name: ", ".join(words[kind] for kind in own.takes) or "no model" for own in shipped}
    assert list(told.items()) == list(listed.items()), "the page lists the suites in their order"


def test_names_and_options_are_told_without_torch() -> None:
    code = "import sys; from omniloom.cli import main; main(['evaluate', '--list']); sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "SUITE is missing; name one or several of world, turns"),
        (["wrld"], "unknown suite 'wrld'; did you mean 'world'?"),
        (["sums", "few-shots"], "unknown suite 'few-shots'; did you mean 'few-shot'?"),
        (["sums", "--cells", "a"], "--cells belongs to world; leave it out for sums"),
        (["turns", "--tasks", "a"], "--tasks belongs to world and few-shot and lm-eval; leave it out for turns"),
        (["sums", "--larges", "4"], "unknown option '--larges'; did you mean '--largest'?"),
        (["sums", "--endpoint", "http://x/v1", "--model", "m"], "sums cannot measure the endpoint m at http://x/v1"),
        (["listener", "--results", "x"], "listener keeps no finished items; leave out --results"),
        (["sums", "--limit", "0"], "--limit: must be a whole number above 0, got '0'"),
    ],
)
def test_what_a_user_gets_wrong_is_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_what_is_wrong_with_a_suite_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="suite 'world' is already registered; choose another name"):
        add_suite(Suite(name="world", summary="mine", run=suite("sums").run))
    (tmp_path / "empty.py").write_text("")
    with pytest.raises(ValueError, match=r"empty.py adds no suite; call omniloom.evaluation.suites.add_suite"):
        load_suite_file(tmp_path / "empty.py")
    with pytest.raises(ValueError, match=r"nowhere.py is no Python file; give one that calls add_suite"):
        load_suite_file(tmp_path / "nowhere.py")


def test_a_stopped_run_says_what_it_kept(
    own_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(self: Omni, *args: object, **settings: object) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "sums.jsonl"
    arguments = ["evaluate", "sums", "--suite-file", str(own_file), "--results", str(path)]
    assert main([*arguments, "--limit", "2"]) == 0
    monkeypatch.setattr(Omni, "reply_batch", stopped)
    capsys.readouterr()
    assert main([*arguments, "--limit", "4"]) == 130
    assert f"what is finished is in {path}, and the same command goes on there" in capsys.readouterr().err
    assert len(path.read_text().splitlines()) == 3
    assert main(arguments[:-2]) == 130
    assert "sums stopped; nothing of it was kept" in capsys.readouterr().err
