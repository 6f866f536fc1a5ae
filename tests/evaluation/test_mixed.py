"""A row of two inputs: a model that uses both falls without either, one that looks at one does not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import torch

from omniloom.data.problems import Example, Task
from omniloom.evaluation import world
from omniloom.evaluation.mixed import majority_by_kind, swapped
from omniloom.evaluation.report import CellScore, WorldReport
from omniloom.evaluation.world import evaluate
from omniloom.stream.message import Message
from omniloom.stream.parts import Audio, Image, Part, Text

WORDS = ("red", "blue", "green", "pink", "black", "brown", "cyan", "orange", "purple", "yellow")
HONEST = "I know shapes, sums, digits and emoji."
N = 120
CODECS: Any = SimpleNamespace(
    audio=SimpleNamespace(spec=SimpleNamespace(fingerprint="a")),
    image=SimpleNamespace(spec=SimpleNamespace(fingerprint="i")),
)


def sound(number: int) -> Audio:
    return Audio(torch.zeros(1000 + number), 16_000)


def picture(number: int) -> Image:
    return Image(torch.full((3, 4, 4), number, dtype=torch.uint8))


def written(text: str) -> Message:
    return Message("assistant", (Text(text),))


def both(index: int) -> Example:
    """The answer is the word at the sum of what is heard and what is shown."""
    heard, seen = index % 10, index * 7 // 10 % 10
    prompt = Message("user", (picture(seen), sound(heard)))
    answer = WORDS[(heard + seen) % 10]
    return Example(messages=(prompt, written(answer)), cell=None, task="both", answer=answer)


def follow_up(index: int) -> Example:
    """The same, the picture shown and named a turn before."""
    heard, seen = index % 10, index * 7 // 10 % 10
    earlier = (Message("user", (picture(seen), Text("what is it?"))), written(str(seen)))
    answer = WORDS[(heard + seen) % 10]
    messages = (*earlier, Message("user", (sound(heard),)), written(answer))
    return Example(messages=messages, cell=None, task="follow_up", answer=answer)


def unknown(index: int) -> Example:
    messages = (Message("user", (Text(f"who was {index}?"),)), written(HONEST))
    return Example(messages=messages, cell=None, task="unknown", answer=HONEST)


class SmallWorld:
    problems: ClassVar[dict[str, Any]] = {}
    tasks = (
        Task(name="both", cell=None, weight=1.0, inputs=("image", "audio")),
        Task(name="follow_up", cell=None, weight=1.0, inputs=("audio", "history")),
        Task(name="unknown", cell=None, weight=1.0, group="unknown"),
        Task(name="never", cell=None, weight=0.0, inputs=("image", "audio")),
    )
    makers: ClassVar[dict[str | None, Callable[[int], Example]]] = {
        "both": both,
        "follow_up": follow_up,
        "unknown": unknown,
    }

    def example(self, split: str, index: int, task: str | None = None) -> Example:
        return self.makers[task](index)

    def cell_example(self, cell: str, split: str, index: int) -> Example:
        raise AssertionError("this world has no cells")


def numbers(parts: Sequence[Part]) -> tuple[int, int]:
    """What is heard and what is shown; 0 where nothing is."""
    heard = [part.samples.numel() - 1000 for part in parts if isinstance(part, Audio)]
    seen = [int(part.pixels[0, 0, 0]) for part in parts if isinstance(part, Image)]
    return (*heard, 0)[0], (*seen, 0)[0]


class StandIn:
    """Answers by what is heard and shown, in whichever turn."""

    codecs = CODECS

    def __init__(self, rule: Callable[[int, int], str]) -> None:
        self._rule = rule
        self.num_turns: set[int] = set()

    def reply_batch(self, prompts: Sequence[Any], *, want: Iterable[str], seed: int) -> list[Any]:
        return [SimpleNamespace(parts=(Text(self._reply(prompt)),)) for prompt in prompts]

    def _reply(self, prompt: Sequence[Any]) -> str:
        turns = [turn for turn in prompt if isinstance(turn, Message)]
        self.num_turns.add(len(turns))
        parts = [part for turn in turns for part in turn.parts] if turns else list(prompt)
        if not any(isinstance(part, Audio | Image) for part in parts):
            return HONEST
        return self._rule(*numbers(parts))


class Ear:
    def transcribe(self, audio: Audio) -> str:
        return ""


@pytest.fixture(autouse=True)
def small_world(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world, "Mixture", SmallWorld)


def rows(rule: Callable[[int, int], str], **options: Any) -> dict[str, CellScore]:
    report = evaluate(StandIn(rule), limit=N, splits=["new"], listener=Ear(), speakers=False, **options)
    assert WorldReport.from_json(report.to_json()).to_json() == report.to_json()
    return {cell.name: cell for cell in report.cells}


def test_a_model_that_uses_both_inputs_falls_without_either() -> None:
    found = rows(lambda heard, seen: WORDS[(heard + seen) % 10])
    assert set(found) == {"both", "follow_up", "unknown"}
    for name, inputs in (("both", ["image", "audio"]), ("follow_up", ["audio", "history"])):
        row = found[name]
        assert row.score == row.ceiling == 1.0 and row.kind == "mixed"
        assert list(row.without) == inputs and row.input == "+".join(inputs)
        assert all(share < 0.3 for share in row.without.values())
        assert row.is_above_controls and row.needs_all_inputs


def test_a_model_that_looks_at_one_input_is_found_out() -> None:
    """The world's answer hangs on the sound alone here, and so does the model's."""

    def heard_only(index: int) -> Example:
        example = both(index)
        answer = WORDS[index % 10]
        return Example(messages=(*example.prompt, written(answer)), cell=None, task="both", answer=answer)

    makers = {**SmallWorld.makers, "both": heard_only}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SmallWorld, "makers", makers)
        row = rows(lambda heard, seen: WORDS[heard])["both"]
    assert row.without["image"] == row.score == 1.0 > row.without["audio"]
    assert not row.needs_all_inputs


def test_a_conversation_is_asked_with_its_history() -> None:
    omni = StandIn(lambda heard, seen: "red")
    evaluate(omni, limit=4, tasks=["follow_up"], splits=["new"], listener=Ear(), speakers=False)
    assert omni.num_turns == {3}


def test_honest_answers_count_for_the_unknown_and_against_the_known() -> None:
    def timid(heard: int, seen: int) -> str:
        return HONEST if heard == 3 else WORDS[(heard + seen) % 10]

    found = rows(timid)
    assert found["both"].refused == pytest.approx(0.1)
    assert found["both"].known == N
    assert (found["unknown"].kind, found["unknown"].score, found["unknown"].known) == ("unknown", 1.0, 0)
    assert (found["unknown"].input, found["unknown"].output) == ("any", "any")


def test_only_the_named_input_is_exchanged() -> None:
    examples = [both(index) for index in range(20)]
    for before, after in zip(examples, swapped(examples, ["image"]), strict=True):
        assert after.prompt[0].parts[1] is before.prompt[0].parts[1]
        assert after.prompt[0].parts[0] is not before.prompt[0].parts[0]
        assert after.reply is before.reply
    asked = [follow_up(index) for index in range(20)]
    for name in ("history", "image"):  # a picture that the last turn does not show stands in the history
        for before, after in zip(asked, swapped(asked, [name]), strict=True):
            assert after.prompt[:-1] != before.prompt[:-1] and after.prompt[-1] is before.prompt[-1]


def test_donors_speak_the_same_language() -> None:
    examples = [
        Example(
            messages=(Message("user", (Text(f"{language} {index}"),)), written("x")),
            cell=None,
            task="t",
            answer="x",
            facts=(f"language:{language}",),
        )
        for index in range(10)
        for language in ("en", "fr")
    ]
    for before, after in zip(examples, swapped(examples, ["text"]), strict=True):
        texts = [part.text.split() for item in (before, after) for part in item.prompt[0].parts]  # type: ignore[union-attr]
        assert texts[0][0] == texts[1][0] and texts[0][1] != texts[1][1]


def test_guessing_may_know_the_kind_of_question() -> None:
    def asked(kind: str, answer: str) -> Example:
        prompt = Message("user", (Text(kind),))
        return Example(messages=(prompt, written(answer)), cell=None, task="t", answer=answer, facts=(f"kind:{kind}",))

    examples = [asked("size", "big")] * 30 + [asked("size", "small")] * 10 + [asked("colour", "red")] * 20
    assert majority_by_kind(examples) == pytest.approx((30 + 20) / 60)
    assert majority_by_kind([*examples, asked("rare", "seven")]) == pytest.approx((30 + 20 + 1) / 61)
    few = [asked(str(number), str(number)) for number in range(5)]
    assert majority_by_kind(few) == pytest.approx(1 / 5)
