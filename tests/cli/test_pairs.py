"""A problem in a file of one's own, by the command line: trained, stopped, decoded, averaged, exported, refused."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests.support.dying_endpoint import running_endpoint

from omniloom.cli import main
from omniloom.data.problems.pairs.user_file import run_user_file
from omniloom.evaluation.suites import load_reports
from omniloom.generation.pairs import answers_of, load_pairs
from omniloom.models.seq2seq import sequence_models
from omniloom.recipes.problems import run as run_module
from omniloom.training.loop import Trainer

FILE = Path(__file__).parents[2] / "examples" / "my_problem.py"
SMALL = {
    "training.num_steps": 6,
    "training.hparams.model.width": 16,
    "training.hparams.model.hidden_width": 16,
    "training.hparams.batching.batch_tokens": 64,
    "training.tensorboard": "false",
    "evaluate_every": 2,
    "num_averaged": 2,
    "num_dev_pairs": 4,
    "decoding.extra_length": 3,
}
NAMES = ["--import", str(FILE), "--problem", "pig_latin", "--hparams", "pig_latin_tiny"]


def train(out: Path, *more: str, **changes: Any) -> int:
    chosen = SMALL | {name.replace("__", "."): value for name, value in changes.items()}
    settings = [text for path, value in chosen.items() for text in ("--set", f"{path}={value}")]
    return main(["train", *NAMES, "--out", str(out), *settings, *more])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trained") / "run"
    assert train(out) == 0
    return out


def test_a_file_adds_a_problem_that_is_listed_and_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["problems", "--import", str(FILE)]) == 0
    assert "pig_latin  words with their first letter behind" in capsys.readouterr().out
    assert main(["problems", "pig_latin_rev", "--import", str(FILE), "--split", "test", "--index", "3"]) == 0
    shown = capsys.readouterr().out
    assert "4,000 train, 50 dev, 100 test" in shown
    source, target = (shown.split(f"{side}  ")[1].split("\n")[0] for side in ("source", "target"))
    assert source == f"{target[1:]}{target[0]}ay"
    assert main(["recipes"]) == 0
    assert "--hparams pig_latin_tiny" in capsys.readouterr().out


def test_training_leaves_a_checkpoint_with_its_scores(trained: Path) -> None:
    scores = json.loads((trained / "checkpoint" / "scores.json").read_text())
    assert scores["averaged_steps"] == [4, 6]
    assert scores["test"]["num_answers"] == 100 and scores["test"]["metric"] == "exact match"
    assert scores["baselines"]["source copied"]["value"] == 0
    lines = [json.loads(line) for line in (trained / "evaluations" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4, 6] and lines[-1]["cpu_seconds"] > lines[0]["cpu_seconds"] > 0
    assert "100 pairs; character for character" in (trained / "checkpoint" / "README.md").read_text()
    assert "problem = pig_latin\n" in (trained / "config.txt").read_text()


def test_a_stopped_run_goes_on_to_the_same_bits(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def until_stopped(self: Trainer, *, until: int | None = None) -> Any:
        return run(self, until=min(until or 3, 3))

    run = Trainer.run
    monkeypatch.setattr(Trainer, "run", until_stopped)
    assert train(tmp_path / "run") == 130
    assert "training stopped at step 3; add --resume to go on" in capsys.readouterr().err
    monkeypatch.undo()
    assert train(tmp_path / "run") == 2
    assert "holds a run already; add --resume" in capsys.readouterr().err
    assert train(tmp_path / "run", "--resume") == 0
    one, other = (load_file(str(out / "checkpoint" / "model.safetensors")) for out in (trained, tmp_path / "run"))
    assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
    lines = [json.loads(line) for line in (tmp_path / "run/evaluations/metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 3, 4, 6] and "score" not in lines[1]


def test_a_run_that_died_before_an_evaluation_makes_up_for_it(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dying(*arguments: Any, **settings: Any) -> None:
        if settings["num_kept"] == 2 and arguments[1] == 4:
            raise SystemExit("killed")
        keep(*arguments, **settings)

    keep = run_module.keep_weights
    monkeypatch.setattr(run_module, "keep_weights", dying)
    with pytest.raises(SystemExit):
        train(tmp_path / "run")
    monkeypatch.undo()
    # Checkpoints by the clock, after every step, take no part in the mean.
    assert train(tmp_path / "run", "--resume", training__checkpoint_every_s=0.0, training__keep_checkpoints=1) == 0
    one, other = (load_file(str(out / "checkpoint" / "model.safetensors")) for out in (trained, tmp_path / "run"))
    assert all(torch.equal(one[name], other[name]) for name in one)
    lines = [json.loads(line) for line in (tmp_path / "run/evaluations/metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4, 6]


def decode(trained: Path, *options: str) -> int:
    return main(["decode", "--checkpoint", str(trained / "checkpoint"), "--extra-length", "3", *options])


def test_files_and_a_pipe_are_decoded_alike(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words, answers = tmp_path / "words.txt", tmp_path / "answers.txt"
    words.write_text("spam\neggs\n")
    assert decode(trained, "--file", str(words), "--out", str(answers), "--references", str(words)) == 0
    assert "exact match 0.00 of 2 (character for character)" in capsys.readouterr().out
    monkeypatch.setattr("sys.stdin", io.StringIO("spam\neggs\n"))
    assert decode(trained) == 0
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        line.split() for line in answers.read_text().splitlines()
    ]
    assert decode(trained, "--file", str(words), "--beam", "1") == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_answers_are_written_as_they_come(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words, answers = tmp_path / "words.txt", tmp_path / "answers.txt"
    words.write_text("spam\neggs\nham\n")
    assert decode(trained, "--file", str(words), "--out", str(answers)) == 0
    whole = answers.read_text()

    def until_stopped(*arguments: Any, **options: Any) -> list[str]:
        if arguments[2] == ["ham"]:
            raise KeyboardInterrupt
        return answers_of(*arguments, **options)

    monkeypatch.setattr("omniloom.generation.pairs.answers_of", until_stopped)
    monkeypatch.setattr("omniloom.cli.commands.decode.LINES_TOGETHER", 1)
    capsys.readouterr()
    assert decode(trained, "--file", str(words), "--out", str(answers)) == 130
    assert f"stopped: the first 2 of 3 lines are answered in {answers}" in capsys.readouterr().err
    assert answers.read_text() == "".join(whole.splitlines(keepends=True)[:2])


def test_answers_stand_beside_their_lines(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line without words has none in its answer, and what Unicode also calls the end of a line is none."""
    words, answers = tmp_path / "words.txt", tmp_path / "answers.txt"
    text = "spam\n\n  \r\neggs\x0cham\u2028\n\n"
    words.write_bytes(text.encode())
    assert decode(trained, "--file", str(words), "--out", str(answers)) == 0
    found = answers.read_text().split("\n")
    assert len(found) == 6 and [bool(line) for line in found] == [True, False, False, True, False, False]
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    capsys.readouterr()
    assert decode(trained) == 0
    assert [line.split() for line in capsys.readouterr().out.split("\n")] == [line.split() for line in found]
    words.write_text("\n")
    assert decode(trained, "--file", str(words)) == 0 and capsys.readouterr().out == "\n"


def test_the_mean_is_that_of_the_checkpoints(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["checkpoint", "average", str(trained), "--out", str(tmp_path / "mean"), "--import", str(FILE)]
    assert main([*command, "--last", "2"]) == 0
    mean, kept = (load_file(str(path / "model.safetensors")) for path in (tmp_path / "mean", trained / "checkpoint"))
    assert all(torch.equal(mean[name], kept[name]) for name in kept)
    assert main([*command, "--last", "9"]) == 2
    assert "keeps 3 checkpoints, fewer than --last 9" in capsys.readouterr().err


def test_exported_programs_say_the_same(trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "program"
    assert main(["checkpoint", "export", str(trained / "checkpoint"), "--out", str(out)]) == 0
    encoder, decoder = (torch.export.load(out / name).module() for name in ("encoder.pt2", "decoder.pt2"))
    model: Any = load_pairs(trained / "checkpoint").model
    for rows, length, grown in ((1, 3, 1), (5, 9, 4)):
        source = torch.randint(2, 200, (rows, length))
        source[:, -1] = 1
        source[0, 1:] = torch.tensor([1, *[0] * (length - 2)])
        target = torch.cat([torch.zeros(rows, 1, dtype=torch.long), torch.randint(2, 200, (rows, grown - 1))], dim=1)
        state = model.decoding(source)
        for ids in target.T:
            scores = state.step(ids)
        # One reads the target whole, the other id by id: float32 sums in another order.
        torch.testing.assert_close(decoder(*encoder(source), target), scores, rtol=0, atol=1e-5)


def test_a_model_of_ones_own_is_trained_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sequence_models, "_values", dict(sequence_models._values))
    own = tmp_path / "narrow.py"
    own.write_text(
        f"from omniloom.data.problems.pairs.user_file import run_user_file\n"
        f"from omniloom.models.seq2seq import Seq2SeqTransformer, sequence_models\n\n"
        f"run_user_file({str(FILE)!r})\n\n\n"
        f'@sequence_models.register("narrow")\nclass Narrow(Seq2SeqTransformer):\n    """Ours."""\n'
    )
    names = ["--import", str(own), "--problem", "pig_latin", "--hparams", "pig_latin_tiny", "--model", "narrow"]
    chosen = SMALL | {"training.num_steps": 2}
    settings = [text for path, value in chosen.items() for text in ("--set", f"{path}={value}")]
    out = tmp_path / "run"
    assert main(["train", *names, *settings, "--out", str(out)]) == 0
    assert load_pairs(out / "checkpoint").model_name == "narrow"
    del sequence_models._values["narrow"]
    assert decode(out, "--file", str(own)) == 2
    assert "unknown model 'narrow'" in capsys.readouterr().err


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(list(arguments)) == 2
    return capsys.readouterr().err


def test_torn_and_foreign_checkpoints_are_refused(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torn = tmp_path / "torn"
    shutil.copytree(trained / "checkpoint", torn)
    (torn / "vocabulary.json").write_text("{}")
    assert "torn: vocabulary.json has" in refused(capsys, "decode", "--checkpoint", str(torn))
    shutil.copytree(trained / "checkpoint", tmp_path / "foreign")
    (tmp_path / "foreign" / "manifest.json").unlink()
    assert "not written by omniloom" in refused(capsys, "decode", "--checkpoint", str(tmp_path / "foreign"))
    (step, *_) = sorted((trained / "checkpoints").iterdir())
    assert "cannot be read" in refused(capsys, "decode", "--checkpoint", str(step))
    assert "no finished run on pairs" in refused(
        capsys, "checkpoint", "average", str(torn), "--out", str(tmp_path / "x")
    )


def test_files_with_errors_are_named_by_their_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = tmp_path / "own.py"
    for text, said in (
        ("x = 1\nraise KeyError('z')\n", "own.py:2 failed: KeyError: 'z'; mend it"),
        ("x = (\n", "own.py:1 failed: SyntaxError"),
        ("import no_such_module\n", "own.py:1 failed: ModuleNotFoundError"),
    ):
        own.write_text(text)
        assert said in refused(capsys, "problems", "--import", str(own))
    assert "is no Python file" in refused(capsys, "problems", "--import", str(tmp_path / "none.py"))
    own.write_text("ran = []\n")
    run_user_file(own)


def test_options_that_do_not_go_together_are_refused(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "give a recipe or a --problem, not both" in refused(capsys, "train", "tiny", *NAMES)
    assert "RECIPE is missing" in refused(capsys, "train")
    assert "--hparams belongs to --problem" in refused(capsys, "train", "tiny", "--hparams", "transformer_tiny")
    assert "did you mean 'transformer'" in refused(capsys, "train", *NAMES, "--model", "transformr")
    assert "did you mean 'training.num_steps'" in refused(capsys, "train", *NAMES, "--set", "training.num_step=3")
    assert "sums is a problem of conversations" in refused(capsys, "train", "--problem", "sums")
    assert "the omni model has recipes" in refused(capsys, "train", *NAMES, "--model", "omni")
    assert "--index must be below 100" in refused(
        capsys, "problems", "pig_latin", "--import", str(FILE), "--split", "test", "--index", "100"
    )
    lines = tmp_path / "a.txt"
    lines.write_text("a\n")
    own = ["decode", "--checkpoint", str(trained / "checkpoint")]
    assert "--out and --references need --file" in refused(capsys, *own, "--out", str(lines))
    assert "has 1 lines and" in refused(capsys, *own, "--file", str(lines), "--references", str(FILE))
    lines.write_bytes(b"\xff\n")
    assert "is not UTF-8 text" in refused(capsys, *own, "--file", str(lines))


def test_a_dry_run_shows_every_setting_of_any_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", *NAMES, "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert "training.hparams.schedule.warmup_steps = 200" in shown and "decoding.alpha = 0.6" in shown
    assert main(["train", *NAMES[:4], "--model", "omni", "--dry-run"]) == 0
    assert "mix.pairs.problem = pig_latin" in capsys.readouterr().out


def test_a_search_compares_its_draws_and_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "search"
    more = ["--ranges", "pig_latin_range", "--search-seed", "3"]
    assert train(out, *more, "--search", "1", training__num_steps=2) == 0
    first = (out / "draw-000" / "config.txt").read_text()
    assert train(out, *more, "--search", "2", "--resume", training__num_steps=2) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[-3:]]
    assert rows[0] == ["draw", "dev", "exact", "match", "step", "model.dropout", "schedule.constant"]
    assert {row[0] for row in rows[1:]} == {"0", "1"} and rows[1][-1] != rows[2][-1]
    assert (out / "draw-000" / "config.txt").read_text() == first
    kept = json.loads((out / "search.json").read_text())
    config = (out / f"draw-00{kept[0]['draw']}" / "config.txt").read_text()
    assert f"training.hparams.schedule.constant = {float(kept[0]['schedule.constant'])}\n" in config
    assert "go together" in refused(capsys, "train", *NAMES, "--search", "2")
    assert "did you mean 'pig_latin_range'" in refused(
        capsys, "train", *NAMES, "--search", "2", "--ranges", "pig_latin_rang"
    )


def test_the_omni_model_learns_from_the_same_pairs(tmp_path: Path) -> None:
    small = {"training.num_steps": 1, "training.num_rows": 1, "num_examples": 4, "num_processes": 1}
    settings = [text for path, value in small.items() for text in ("--set", f"{path}={value}")]
    out = tmp_path / "omni"
    command = ["train", *NAMES[:4], "--model", "omni", "--out", str(out), *settings, "--set", "training.tensorboard=0"]
    assert main(command) == 0
    assert (out / "checkpoint" / "model.safetensors").is_file()
    index = json.loads((out / "data" / "index.json").read_text())
    assert index["tasks"] == ["pig_latin.pair"]


def test_a_decoder_of_one_stack_learns_from_the_same_pairs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = {"training.num_steps": 1, "training.num_rows": 1, "model.depth": 1, "vocab_size": 300}
    settings = [text for path, value in small.items() for text in ("--set", f"recipe.{path}={value}")]
    out, report = tmp_path / "decoder", tmp_path / "pairs.json"
    command = ["train", *NAMES[:4], "--model", "decoder", "--out", str(out)]
    assert "the decoder model has recipes" in refused(capsys, *command, *NAMES[4:])
    assert "has at most 3 letters; raise max_letters" in refused(capsys, *command, "--set", "max_letters=3")
    assert main([*command, *settings]) == 0
    scored = ["evaluate", "pairs", "--checkpoint", str(out / "checkpoint"), "--problem-file", str(FILE)]
    assert main([*scored, "--problems", "pig_latin", "--limit", "3", "--json", str(report)]) == 0
    assert [(row.name, row.n) for row in load_reports(report)[0].rows] == [("pig_latin", 3)]


def test_a_terminal_is_asked_and_answered_line_by_line(
    trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Terminal("spam\neggs\n\nnever read\n"))
    assert decode(trained) == 0
    shown = capsys.readouterr()
    assert shown.err.count("> ") == 3 and "transformer on pig_latin" in shown.err
    assert len(shown.out.splitlines()) == 2


def test_a_suite_scores_models_of_pairs_and_the_omni_model(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results, report = tmp_path / "items.jsonl", tmp_path / "pairs.json"
    command = ["evaluate", "pairs", "--checkpoint", str(trained / "checkpoint"), "--problem-file", str(FILE)]
    files = ["--results", str(results), "--json", str(report)]
    assert main([*command, "--limit", "6", "--beam", "2", *files]) == 0
    assert main([*command, "--limit", "9", "--beam", "2", *files]) == 0
    (found,) = load_reports(report)
    assert (found.num_kept, found.num_asked) == (6, 3)
    assert [(row.name, row.n, row.baseline) for row in found.rows] == [("pig_latin", 9, 0.0)]
    assert "beam was 2 and is 4" in refused(capsys, *command, *files)
    omni = ["evaluate", "pairs", "--problem-file", str(FILE), "--problems", "pig_latin_rev,pig_latin_copy"]
    assert main([*omni, "--limit", "2", "--json", str(report)]) == 0
    names = [(row.name, row.n) for row in load_reports(report)[0].rows]
    assert names == [("pig_latin_rev", 2), ("pig_latin_copy", 2)]
    assert "--beam is of models of pairs" in refused(capsys, *omni, "--beam", "2")


def test_a_served_model_that_dies_half_way_loses_nothing_that_was_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The one that answers knows pig latin when it is asked in the problem's own words, and nothing else."""
    pytest.importorskip("openai")
    monkeypatch.setattr("omniloom.evaluation.endpoints.client.MAX_RETRIES", 0)

    def answer(body: dict[str, Any]) -> dict[str, Any]:
        asked, _, word = body["messages"][0]["content"].partition(": ")
        text = f"{word[1:]}{word[0]}ay" if asked == "In pig Latin" else "what?"
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
        return {"id": "1", "created": 0, "model": "m", "object": "chat.completion", "choices": [choice]}

    results, report = tmp_path / "items.jsonl", tmp_path / "pairs.json"
    with running_endpoint(answer) as endpoint:
        served = ["evaluate", "pairs", "--endpoint", endpoint.url, "--model", "m", "--problem-file", str(FILE)]
        command = [*served, "--problems", "pig_latin,pig_latin_copy", "--limit", "12"]
        files = ["--results", str(results), "--json", str(report)]
        endpoint.num_left = 17
        assert main([*command, *files]) == 2
        assert "finished items are kept" in capsys.readouterr().err and not report.exists()
        assert len(results.read_text().splitlines()) == 1 + endpoint.num_answers == 1 + 17
        endpoint.num_left = 10**9
        assert main([*command, *files]) == 0
        assert endpoint.num_answers == 24, "no text was asked twice"
        assert {body["temperature"] for body in endpoint.bodies} == {0.0}
        assert "--beam is of models of pairs, and m at" in refused(capsys, *command, "--beam", "2")
    (found,) = load_reports(report)
    assert [(row.name, row.n, row.score) for row in found.rows] == [("pig_latin", 12, 1.0), ("pig_latin_copy", 12, 0.0)]
    assert (found.num_kept, found.num_asked) == (17, 7)
