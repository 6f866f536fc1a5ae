"""The evaluation against stand-ins whose replies are known: perfect equals ceiling, constant equals majority."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import torch
from rich.console import Console

from omniloom.data.problems import Example, Task
from omniloom.evaluation import world
from omniloom.evaluation.report import WorldReport
from omniloom.evaluation.round_trip import round_trip
from omniloom.evaluation.workers import identity
from omniloom.evaluation.world import evaluate
from omniloom.stream.message import Message, as_parts
from omniloom.stream.parts import Audio, Part, Text

WORDS = ("red", "blue", "green", "seven")
N = 96
CELLS = ("text-to-text", "text-to-audio", "audio-to-text")


def sound(word: str) -> Audio:
    """A sound that says its word by its length."""
    return Audio(torch.full((1000 + WORDS.index(word),), 0.5), 16_000)


class Ear:
    def transcribe(self, audio: Audio) -> str:
        place = audio.samples.numel() - 1000
        return WORDS[place] if 0 <= place < len(WORDS) else "?"


class ForgetfulCodec:
    """Keeps every sound but those of one word."""

    spec = SimpleNamespace(fingerprint="forgetful")

    def encode(self, part: Audio) -> list[int]:
        return [part.samples.numel()]

    def decode(self, codes: Sequence[int]) -> Audio:
        lost = 1000 + WORDS.index("seven")
        return Audio(torch.zeros(5000 if lost in codes else sum(codes)), 16_000)


CODECS: Any = SimpleNamespace(audio=ForgetfulCodec(), image=ForgetfulCodec())


class SmallWorld:
    """Half the answers are "red", and half of the rest; each prompt is its own."""

    problems: ClassVar[dict[str, Any]] = {}
    tasks = tuple(Task(name=f"{cell} task", cell=cell, weight=1.0) for cell in CELLS)

    def example(self, split: str, index: int, task: str | None = None) -> Example:
        assert task is not None
        return self.cell_example(task.split()[0], split, index)

    def cell_example(self, cell: str, split: str, index: int) -> Example:
        given, _, reply = cell.partition("-to-")
        word = WORDS[0] if index % 2 else WORDS[index // 2 % len(WORDS)]
        note = f"{split} {index}: {word}"
        prompt: list[str | Part] = [note] if given == "text" else [f"what do you hear? {split} {index}", sound(word)]
        answer = (Text(word),) if reply == "text" else (Text(word), sound(word))
        messages = (Message("user", as_parts(prompt)), Message("assistant", answer))
        return Example(messages=messages, cell=cell, task=f"task{index % 3}", answer=word)


class StandIn:
    """Replies by a function of the prompt; counts what it is asked."""

    codecs = CODECS

    def __init__(self, reply: Callable[[Sequence[Part], frozenset[str]], tuple[Part, ...]]) -> None:
        self._reply = reply
        self.prompts: list[Sequence[Part]] = []

    def reply_batch(self, prompts: Sequence[Sequence[Part]], *, want: Iterable[str], seed: int) -> list[Any]:
        self.prompts += prompts
        return [SimpleNamespace(parts=self._reply(prompt, frozenset(want))) for prompt in prompts]


def understood(prompt: Sequence[Part]) -> str:
    heard = [Ear().transcribe(part) for part in prompt if isinstance(part, Audio)]
    written = [part.text.rsplit(" ", 1)[-1] for part in prompt if isinstance(part, Text)]
    return heard[0] if heard else written[0]


def answered(word: str, want: frozenset[str]) -> tuple[Part, ...]:
    return round_trip((Text(word), sound(word)), CODECS) if "audio" in want else (Text(word.upper()),)


def perfect() -> StandIn:
    return StandIn(lambda prompt, want: answered(understood(prompt), want))


def constant(word: str) -> StandIn:
    return StandIn(lambda prompt, want: answered(word, want))


@pytest.fixture(autouse=True)
def small_world(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world, "Mixture", SmallWorld)


def run(omni: Any, **options: Any) -> WorldReport:
    settings: dict[str, Any] = {"limit": N, "cells": CELLS, "listener": Ear(), "speakers": False} | options
    return evaluate(omni, **settings)


def test_a_perfect_model_scores_its_ceiling() -> None:
    for cell in run(perfect()).cells:
        assert cell.score == cell.ceiling
        assert cell.ceiling == (1.0 if cell.output == "text" else pytest.approx(1 - 1 / 8))
        assert cell.is_above_controls
        for task in cell.tasks.values():
            assert task.score == task.ceiling and task.n == N / 3


def test_a_constant_model_scores_the_majority() -> None:
    for cell in run(constant("red")).cells:
        assert cell.score == cell.majority == pytest.approx((N / 2 + N / 8) / N)
        assert not cell.is_above_controls


def test_shuffled_inputs_are_really_exchanged() -> None:
    omni = perfect()
    (cell,) = run(omni, cells=["audio-to-text"], splits=["new"]).cells
    straight, exchanged = omni.prompts[:N], omni.prompts[N:]
    assert [prompt[0].text for prompt in straight] == [prompt[0].text for prompt in exchanged]  # type: ignore[union-attr]
    pairs = list(zip(straight, exchanged, strict=True))
    assert all(a[1] is not b[1] for a, b in pairs)
    assert cell.shuffled == pytest.approx(sum(understood(a) == understood(b) for a, b in pairs) / N)
    assert cell.shuffled < cell.score == 1.0


def test_json_has_the_promised_shape(tmp_path: Path) -> None:
    report = run(perfect(), out=tmp_path / "scores.json")
    data = json.loads((tmp_path / "scores.json").read_text())
    promised = {
        "name", "input", "output", "split", "n", "score", "low", "high", "ceiling", "majority", "shuffled",
    }  # fmt: skip
    assert len(data["cells"]) == len(CELLS) * 2
    for cell in data["cells"]:
        assert promised <= set(cell)
        assert cell["name"] == f"{cell['input']}-to-{cell['output']}"
        assert 0 <= cell["low"] <= cell["score"] <= cell["high"] <= 1
        assert cell["n"] == N and cell["split"] in ("new", "composed")
    assert WorldReport.load(tmp_path / "scores.json").to_json() == report.to_json() == data


def test_a_stopped_evaluation_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "scores.json"
    whole = run(perfect()).to_json()

    def break_off(*args: Any, **options: Any) -> Any:
        if args[2].name == CELLS[2]:
            raise KeyboardInterrupt
        return score_row(*args, **options)

    score_row = world.score_row
    monkeypatch.setattr(world, "score_row", break_off)
    with pytest.raises(KeyboardInterrupt):
        run(perfect(), out=out)
    monkeypatch.setattr(world, "score_row", score_row)
    assert not out.exists()
    omni = perfect()
    assert run(omni, out=out).to_json() == whole
    assert len(omni.prompts) == 2 * N * (len(CELLS) * 2 - 2)
    assert [path.name for path in tmp_path.iterdir()] == ["scores.json"]


def test_another_seed_is_refused_and_another_limit_goes_on(tmp_path: Path) -> None:
    results = tmp_path / "items.jsonl"
    run(perfect(), limit=6, results=results)
    with pytest.raises(ValueError, match="seed was 0 and is 1; give another --results"):
        run(perfect(), limit=6, seed=1, results=results)
    omni = perfect()
    assert run(omni, results=results).to_json() == run(perfect()).to_json()
    # The controls depend on how many there are; the questions themselves do not.
    assert len(omni.prompts) == (2 * N - 6) * len(CELLS) * 2


class OneByOne(StandIn):
    """Answers one prompt after the other, and is stopped at some point."""

    num_left = 10**9

    def replies(self, prompts: Sequence[Any], wants: Sequence[Any], *, seed: int) -> Iterator[tuple[int, Any]]:
        for place in reversed(range(len(prompts))):
            if not self.num_left:
                raise KeyboardInterrupt
            self.num_left -= 1
            (reply,) = self.reply_batch([prompts[place]], want=wants[place], seed=seed)
            yield place, reply


def test_what_comes_one_by_one_is_kept_one_by_one(tmp_path: Path) -> None:
    def made() -> OneByOne:
        return OneByOne(lambda prompt, want: answered(understood(prompt), want))

    whole, results = run(perfect(), limit=8).to_json(), tmp_path / "items.jsonl"
    stopped, total = made(), 2 * 8 * len(CELLS) * 2
    stopped.num_left = total // 2 + 3
    with pytest.raises(KeyboardInterrupt):
        run(stopped, limit=8, results=results)
    assert len(results.read_text().splitlines()) == 1 + len(stopped.prompts) == 1 + total // 2 + 3
    rest = made()
    assert run(rest, limit=8, results=results).to_json() == whole
    assert len(stopped.prompts) + len(rest.prompts) == total


class OtherEar(Ear):
    """Another judge that hears the same."""


class Judge(torch.nn.Linear):
    config = SimpleNamespace(words=WORDS)

    def transcribe(self, audio: Audio) -> str:
        return Ear().transcribe(audio)


def changed(judge: Judge) -> Judge:
    with torch.no_grad():
        judge.bias[0] += 1
    return judge


def test_another_judge_or_text_codec_does_not_resume(tmp_path: Path) -> None:
    judge = Judge(2, 2)
    texts = [SimpleNamespace(spec=SimpleNamespace(fingerprint=name)) for name in ("first", "second")]
    omnis = [perfect(), perfect()]
    for omni, text in zip(omnis, texts, strict=True):
        omni.codecs = SimpleNamespace(audio=CODECS.audio, image=CODECS.image, text=text)
    for name, before, after, is_same in (
        ("class", (perfect(), Ear()), (perfect(), OtherEar()), False),
        ("same", (perfect(), judge), (perfect(), judge), True),
        ("text", (omnis[0], judge), (omnis[1], judge), False),
        ("weights", (perfect(), judge), lambda: (perfect(), changed(judge)), False),
    ):
        results = tmp_path / f"{name}.jsonl"
        run(before[0], limit=6, listener=before[1], results=results)
        omni, listener = after() if callable(after) else after
        omni.prompts.clear()
        if is_same:
            run(omni, limit=6, listener=listener, results=results)
            assert not omni.prompts
        else:
            with pytest.raises(ValueError, match=r"holds the items of another evaluation: (subject|listener) was"):
                run(omni, limit=6, listener=listener, results=results)


def test_the_identity_follows_what_a_codec_decodes_with() -> None:
    decoder = torch.nn.Linear(2, 2)
    decoder.spec = SimpleNamespace(fingerprint="encoder alone")  # type: ignore[assignment]
    omni = perfect()
    omni.codecs = SimpleNamespace(audio=decoder, image=CODECS.image)
    before = identity(omni)
    assert identity(omni) == before
    with torch.no_grad():
        decoder.weight[0, 0] += 1
    assert identity(omni) != before


def test_the_table_shows_every_cell() -> None:
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(run(perfect(), limit=6).table())
    text = console.export_text()
    assert all(text.count(cell) >= 2 for cell in CELLS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"limit": 0}, "limit must be at least 1, got 0"),
        ({"cells": ["text-to-smell"]}, "cells must be of .*, got text-to-smell"),
        ({"cells": []}, "cells must name at least one, got none"),
        ({"cells": None, "tasks": ["text-to-text tusk"]}, "unknown task .*did you mean 'text-to-text task'"),
        ({"splits": ["train"]}, "splits must be of new, composed, got train"),
    ],
)
def test_errors_name_value_and_remedy(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run(perfect(), **options)


def test_a_single_task_is_a_row_of_its_own() -> None:
    (cell,) = run(perfect(), cells=None, tasks=["audio-to-text task"], splits=["new"]).cells
    assert (cell.kind, cell.name, cell.input, cell.output) == ("task", "audio-to-text task", "audio", "text")
    assert cell.n == N and cell.score == 1.0 > cell.shuffled


def test_what_nobody_can_be_asked_is_left_out_with_a_note() -> None:
    report = run(perfect(), cells=["audio-to-text", "image-to-text"], splits=["new"], limit=4)
    assert [cell.name for cell in report.cells] == ["audio-to-text"]
    assert report.skipped == {"image-to-text": "the world has no task of this direction"}


def test_a_model_from_before_videos_is_not_asked_about_them(monkeypatch: pytest.MonkeyPatch) -> None:
    clip = Task(name="clip", cell="video-to-text", weight=1.0)
    monkeypatch.setattr(SmallWorld, "tasks", (*SmallWorld.tasks, clip))
    omni = perfect()
    omni.vocabulary = SimpleNamespace(has_video=False)  # type: ignore[attr-defined]
    report = run(omni, cells=["video-to-text", "audio-to-text"], splits=["new"], limit=4)
    assert [cell.name for cell in report.cells] == ["audio-to-text"]
    assert report.skipped == {"video-to-text": "not of this model: it was made before videos"}
    assert WorldReport.from_json(report.to_json()).skipped == report.skipped
