"""What each command hands to the packages below it, with stand-ins where a model would be."""

from __future__ import annotations

import json
import sys
import types
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from omniloom.cli import main
from omniloom.cli.commands.ask import chosen_wants
from omniloom.cli.parsing import byte_size, settings
from omniloom.data.chat_files import Conversation
from omniloom.data.chat_shards import write_shards
from omniloom.data.speech.listener import Listener
from omniloom.data.speech.listener_measure import Heard
from omniloom.evaluation.report import CellScore, WorldReport
from omniloom.evaluation.suites import load_reports
from omniloom.recipes import recipes
from omniloom.recipes.catalogue import Recipe
from omniloom.stream.message import Message
from omniloom.stream.parts import Audio, Image, Text, Video

SAMPLED = ["--seed", "3", "--temperature", "0.5", "--top-k", "40", "--top-p", "0.9", "--min-p", "0.02"]

CELL = CellScore(
    name="audio-to-text", input="audio", output="text", split="new", n=4, score=0.5, ceiling=1.0, majority=0.25,
    shuffled=0.25, tasks={},
)  # fmt: skip


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Replaces the model by one that answers everything with a word, a sound and a picture."""
    calls: list[dict[str, Any]] = []

    class Omni:
        @classmethod
        def load(cls, name: str) -> Omni:
            calls.append({"checkpoint": name})
            return cls()

        def reply(self, parts: list[Any], **options: Any) -> Any:
            calls[-1].update(parts=parts, **options)
            has = options["want"]
            return SimpleNamespace(
                text="seven",
                audio=Audio(torch.zeros(1600), 16_000) if "audio" in has else None,
                image=Image(torch.zeros(3, 4, 4, dtype=torch.uint8)) if "image" in has else None,
            )

    stand_in = types.ModuleType("omniloom.generation")
    stand_in.Omni = Omni  # type: ignore[attr-defined]
    stand_in.Sampling = lambda **settings: settings  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "omniloom.generation", stand_in)
    pictures = types.ModuleType("omniloom.generation.pictures")
    pictures.find_picture_model = lambda name: None  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "omniloom.generation.pictures", pictures)
    return calls


def test_ask_passes_the_parts_in_order_and_saves_what_came(
    asked: list[dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image(torch.zeros(3, 4, 4, dtype=torch.uint8)).save(tmp_path / "a.png")
    Audio(torch.zeros(800), 8_000).save(tmp_path / "b.wav")
    Video(torch.arange(8, dtype=torch.uint8).view(8, 1, 1, 1).expand(8, 3, 4, 4), 5).save(tmp_path / "c.gif")
    media = ["--audio", str(tmp_path / "b.wav"), "--video", str(tmp_path / "c.gif"), "--image", str(tmp_path / "a.png")]
    saves = ["--save", str(tmp_path / "r.wav"), "--save", str(tmp_path / "r.png"), "--save", str(tmp_path / "r.txt")]
    assert main(["ask", "what?", *media, *saves, *SAMPLED, "--max-tokens", "9"]) == 0
    (call,) = asked
    assert [type(part) for part in call["parts"]] == [Text, Audio, Video, Image]
    assert call["want"] == ["text", "audio", "image"]
    assert (call["checkpoint"], call["seed"], call["max_tokens"]) == ("tiny", 3, 9)
    assert call["sampling"] == {"temperature": 0.5, "top_k": 40, "top_p": 0.9, "min_p": 0.02}
    printed = capsys.readouterr()
    assert printed.out == "seven\n"
    assert "0.1 s of speech and a picture, saved as" in printed.err
    assert Audio.open(tmp_path / "r.wav").rate_hz == 16_000
    assert Image.open(tmp_path / "r.png").pixels.shape == (3, 4, 4)
    assert (tmp_path / "r.txt").read_text() == "seven\n"


def test_ask_refuses_a_cut_where_nothing_is_drawn(
    asked: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ask", "what?", "--min-p", "0.1"]) == 2
    assert "--min-p needs --temperature above 0" in capsys.readouterr().err
    assert not asked


def test_ask_says_so_when_the_reply_lacks_what_was_to_be_saved(
    asked: list[dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        sys.modules["omniloom.generation"].Omni,  # type: ignore[attr-defined]
        "reply",
        lambda self, parts, **options: SimpleNamespace(text="x", audio=None, image=None),
    )
    assert main(["ask", "draw", "--save", str(tmp_path / "r.png")]) == 2
    assert "the reply holds no image to save" in capsys.readouterr().err


def test_ask_refuses_broken_files_before_loading_a_model(
    asked: list[dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF" + b"\0" * 20)
    assert main(["ask", "what?", "--audio", str(broken)]) == 2
    assert "broken.wav is not a sound file that can be read (Format not recognised.)" in capsys.readouterr().err
    Image(torch.zeros(3, 4, 4, dtype=torch.uint8)).save(tmp_path / "still.png")
    assert main(["ask", "what moves?", "--video", str(tmp_path / "still.png")]) == 2
    assert "still.png is a still picture, not a video" in capsys.readouterr().err
    assert asked == []


@pytest.mark.parametrize(
    ("wants", "paths", "expected"),
    [
        (None, [], ["text"]),
        (None, ["a.WAV"], ["audio"]),
        (None, ["a.png", "b.mp3"], ["audio", "image"]),
        (["image", "audio"], [], ["audio", "image"]),
        (["audio"], ["a.txt"], ["audio"]),
    ],
)
def test_wants_follow_the_files_to_be_saved(wants: list[str] | None, paths: list[str], expected: list[str]) -> None:
    assert chosen_wants(wants, paths) == expected


def test_settings() -> None:
    assert settings(["a.b=1", "c=x=y", "d="]) == {"a.b": "1", "c": "x=y", "d": ""}
    with pytest.raises(ValueError, match="--set takes path=value, got 'depth'"):
        settings(["depth"])
    with pytest.raises(ValueError, match="--set gives a twice"):
        settings(["a=1", "a=2"])


@dataclass(frozen=True, kw_only=True)
class Config:
    num_steps: int = 10


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Config, Path, bool]]:
    """A registered recipe that only remembers how it was run."""
    calls: list[tuple[Config, Path, bool]] = []

    def run(config: Config, *, out: Path, is_resuming: bool) -> Path:
        calls.append((config, out, is_resuming))
        out.mkdir(parents=True, exist_ok=True)
        (out / "config.json").write_text("{}")
        return out / "final"

    recipe = Recipe(summary="for this test", configure=Config, run=run)
    monkeypatch.setitem(recipes._values, "remembered", recipe)
    return calls


def test_train_overrides_runs_and_resumes(runs: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ["--out", str(tmp_path / "run")]
    assert main(["train", "remembered", *out, "--resume"]) == 2
    assert "holds no run to resume" in capsys.readouterr().err
    assert main(["train", "remembered", *out, "--set", "num_steps=3"]) == 0
    assert main(["train", "remembered", *out]) == 2
    assert "holds a run already; add --resume" in capsys.readouterr().err
    assert main(["train", "remembered", *out, "--resume"]) == 0
    assert runs == [(Config(num_steps=3), tmp_path / "run", False), (Config(), tmp_path / "run", True)]


def test_train_refuses_unknown_settings_before_it_starts(
    runs: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "remembered", "--out", str(tmp_path / "run"), "--set", "num_step=3"]) == 2
    assert "unknown setting 'num_step'; did you mean 'num_steps'?" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert main(["train", "remembered", "--out", str(tmp_path / "file")]) == 2
    assert "is a file; give a folder" in capsys.readouterr().err
    assert runs == []


def test_settings_are_listed_without_running(runs: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "remembered", "--dry-run", "--set", "num_steps=3"]) == 0
    assert capsys.readouterr().out == "num_steps = 3\n"
    assert main(["recipes", "remembered"]) == 0
    assert capsys.readouterr().out == "num_steps = 10\n"
    assert main(["recipes"]) == 0
    assert "remembered   for this test\n" in capsys.readouterr().out
    assert runs == []


def test_a_dry_run_says_what_the_run_will_take(
    runs: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    planned = replace(recipes.get("remembered"), plan=lambda config, **given: f"# {config} {given}\n", num_processes=8)
    monkeypatch.setitem(recipes._values, "remembered", planned)
    assert main(["train", "remembered", "--dry-run"]) == 0
    expected = "num_steps = 10\n# Config(num_steps=10) {'num_processes': 8, 'tokens_per_second': None}\n"
    assert capsys.readouterr().out == expected
    assert main(["train", "remembered", "--dry-run", "--processes", "2", "--tokens-per-second", "9"]) == 0
    assert "{'num_processes': 2, 'tokens_per_second': 9}" in capsys.readouterr().out
    assert main(["train", "remembered", "--processes", "2"]) == 2
    assert "belong to --dry-run; torchrun says how many train" in capsys.readouterr().err
    assert runs == []


def test_only_some_recipes_are_shared_by_processes(
    runs: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    assert main(["train", "remembered", "--out", str(tmp_path)]) == 2
    assert "remembered is trained by one process, not 2; start it without torchrun" in capsys.readouterr().err
    monkeypatch.setitem(recipes._values, "remembered", replace(recipes.get("remembered"), is_parallel=True))
    (tmp_path / "begun").write_text("rank 0 looks whether there is a run; it may have begun to write")
    assert main(["train", "remembered", "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out == ""
    assert [recipes.get(name).is_parallel for name in ("tiny", "finetune", "audio-codec")] == [True, True, False]


def test_every_recipe_can_be_configured() -> None:
    for name in recipes:
        assert recipes.get(name).summary
        assert recipes.get(name).configure() == recipes.get(name).configure()


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, int]]:
    """Replaces the listening, which takes minutes."""
    calls: list[tuple[Any, int]] = []

    def measure(listener: Any, *, num_phrases: int) -> list[Heard]:
        calls.append((listener, num_phrases))
        return [Heard(what="new voice en+m1", n=num_phrases, exact=0.75, word_error=0.125)]

    monkeypatch.setattr("omniloom.data.speech.listener_measure.measure_listener", measure)
    return calls


def test_evaluate_listener_shows_its_own_error(
    measured: list[tuple[Any, int]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", "listener", "--limit", "8", "--json", str(tmp_path / "ear.json")]) == 0
    out = capsys.readouterr().out
    assert all(text in out for text in ("new voice en+m1", "0.750", "0.125"))
    (report,) = json.loads((tmp_path / "ear.json").read_text())["reports"]
    assert report["details"][0]["word_error"] == 0.125 and report["rows"][0]["score"] == 0.75
    ((listener, limit),) = measured
    assert isinstance(listener, Listener) and limit == 8


def test_evaluate_listener_refuses_what_is_for_models(
    measured: list[tuple[Any, int]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", "listener", "--splits", "new"]) == 2
    assert "--splits belongs to world; leave it out for listener" in capsys.readouterr().err
    assert main(["evaluate", "listener", "--checkpoint", "tiny"]) == 2
    assert "listener cannot measure the checkpoint tiny; it measures no model" in capsys.readouterr().err
    assert main(["evaluate", "listener", "--listener", str(tmp_path)]) == 2
    assert "is an empty folder" in capsys.readouterr().err
    assert measured == []


def test_problems_lists_tasks_and_shows_an_example(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["problems"]) == 0
    assert "scenes     " in capsys.readouterr().out
    assert main(["problems", "scenes", "--task", "caption_text", "--save", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "task    caption_text" in out and "<picture, 64 x 64>" in out
    (picture,) = tmp_path.glob("*.png")
    assert np.ptp(Image.open(picture).pixels.numpy()) > 0
    assert main(["problems", "films", "--task", "film_sound_text", "--save", str(tmp_path / "film")]) == 0
    assert "frames of 32 x 32 in 1." in capsys.readouterr().out
    (film,), (sound,) = (list((tmp_path / "film").glob(f"*.{suffix}")) for suffix in ("gif", "wav"))
    assert Video.open(film).duration_s == pytest.approx(Audio.open(sound).duration_s)


def test_doctor_reports_each_part_and_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OMNILOOM_DATA", str(tmp_path / "nowhere"))
    assert main(["doctor", "--checkpoint", str(tmp_path / "none")]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("ok  torch") for line in lines)
    assert any(line.startswith("--  data") and "correct or unset it" in line for line in lines)
    assert lines[-1].startswith(f"--  {tmp_path / 'none'}")


def test_problems_shows_how_a_shard_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = Message("user", (Text("what is this?"), Audio(torch.zeros(800), 8_000)))
    chat = Conversation((said, Message("assistant", (Text("silence"),))))
    (shard,) = write_shards(tmp_path / "chats", [chat])
    for source in (tmp_path / "chats", shard):
        assert main(["problems", "chat_files", "--folder", str(source)]) == 0
        assert "<sound, 0.10 s at 8000 Hz>" in capsys.readouterr().out
    shard.write_bytes(shard.read_bytes()[:600])
    assert main(["problems", "chat_files", "--folder", str(shard)]) != 0
    assert "is torn" in capsys.readouterr().err


def test_evaluate_world_takes_cells_and_single_tasks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls: list[dict[str, Any]] = []

    def evaluate(omni: Any, **options: Any) -> Any:
        calls.append(options)
        return WorldReport(cells=[CELL])

    monkeypatch.setattr("omniloom.evaluation.world.evaluate", evaluate)
    loaded: list[str] = []
    monkeypatch.setattr("omniloom.generation.Omni.load", lambda name, precision: loaded.append(precision))
    assert main(["evaluate", "world"]) == 0
    chosen = ["--tasks", "say,echo", "--splits", "new", "--limit", "7", "--precision", "bfloat16"]
    assert main(["evaluate", "world", *chosen]) == 0
    assert {*loaded} == {"float32", "bfloat16"}
    assert main(["evaluate", "turns", "--precision", "bfloat16"]) == 2
    assert [(call["cells"], call["tasks"], call["limit"]) for call in calls] == [
        (None, None, 300),
        (None, ["say", "echo"], 7),
    ]
    assert "0.500" in capsys.readouterr().out


def test_evaluate_turns_writes_what_it_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = SimpleNamespace(table=lambda: "turns", scores=[], settings={}, to_json=lambda: {"turns": 1})
    drawn: list[Any] = []
    monkeypatch.setattr("omniloom.evaluation.turn_ends.measure_turns", lambda omni, **options: report)
    monkeypatch.setattr("omniloom.evaluation.turn_ends.draw_turns", lambda *args: drawn.append(args))
    monkeypatch.setattr("omniloom.generation.Omni.load", lambda name: SimpleNamespace(identity=name))
    files = ["--json", str(tmp_path / "t.json"), "--figure", str(tmp_path / "t.png")]
    assert main(["evaluate", "turns", *files]) == 0
    assert load_reports(tmp_path / "t.json")[0].details == {"turns": 1}
    assert drawn == [({"turns": 1}, tmp_path / "t.png")]
    assert main(["evaluate", "turns", "--splits", "new"]) == 2
    assert main(["evaluate", "world", *files]) == 2
    assert "--figure belongs to turns and code; leave it out for world" in capsys.readouterr().err


def test_reproduce_fails_where_a_claim_does_not_hold(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from omniloom.reproductions import Result, Row, reproductions

    calls: list[Any] = []

    def run(*, effort: str, out: Path | None, checkpoint: str) -> Result:
        calls.append((effort, out, checkpoint))
        rows = [Row(name="speed", paper="fast", bar="≤ 2", here="3", is_reached=effort == "full")]
        return Result(system="toy", paper="a paper", rows=rows, machine="m", command="c")

    monkeypatch.setitem(reproductions._values, "toy", SimpleNamespace(run=run, summary="a toy"))
    assert main(["reproduce", "toy", "--quick"]) == 1
    assert main(["reproduce", "toy", "--full", "--out", str(tmp_path), "--checkpoint", "x"]) == 0
    assert calls == [("quick", None, "tiny"), ("full", tmp_path, "x")]
    assert json.loads((tmp_path / "result.json").read_text())["holds"] is True
    capsys.readouterr()
    assert main(["reproduce", "--list"]) == 0
    assert "gpt-4o" in capsys.readouterr().out
    assert main(["reproduce"]) == 2
    assert "name a system, or give --list; there are gpt-4o" in capsys.readouterr().err


def test_keys_are_made_listed_and_revoked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = ["--file", str(tmp_path / "keys.json")]
    assert main(["keys", "create", "laptop", *file]) == 0
    key = capsys.readouterr().out.strip()
    id_ = key.split("_")[1]
    assert main(["keys", "list", *file]) == 0
    listed = capsys.readouterr().out
    assert id_ in listed and "laptop" in listed and key not in listed
    assert main(["keys", "revoke", id_, *file]) == 0
    assert capsys.readouterr().out == f"revoked {id_}, which was 'laptop'\n"
    assert main(["keys", "list", *file]) == 0
    assert capsys.readouterr().out == ""


def test_serve_takes_a_device_and_sizes_as_people_write_them(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr("omniloom.serving.serve.serve", lambda options: asked.append(options) or 0)
    assert main(["serve"]) == 0
    assert main(["serve", "--device", "cpu", "--cache-bytes", "1.5GiB", "--precision", "float32"]) == 0
    assert (asked[0].device, asked[0].cache_bytes, asked[0].precision) == (None, 2**30, "auto")
    assert (asked[1].device, asked[1].cache_bytes, asked[1].precision) == ("cpu", 3 * 2**29, "float32")


@pytest.mark.parametrize("text", ["0", "-1GiB", "1 bit", "GiB", "lots", "1e9", ""])
def test_a_size_that_is_none_is_told(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", f"--cache-bytes={text}"]) == 2
    assert f"a size such as 1GiB, 500MB or 1073741824, got {text!r}" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["1000000", "1_000_000", "1MB", "1 mb", "1000kB", "0.001GB"])
def test_a_size_may_be_written_in_many_ways(text: str) -> None:
    assert byte_size(text) == 1_000_000


@pytest.mark.parametrize("name", ["gpu", "cuda:99", "", "1"])
def test_serve_refuses_a_device_that_is_not_there_before_it_loads(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "no-such-checkpoint", "--device", name]) == 2
    assert "--device" in capsys.readouterr().err


def test_serve_lists_its_limits(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--list-limits"]) == 0
    assert "sessions=" in capsys.readouterr().out
