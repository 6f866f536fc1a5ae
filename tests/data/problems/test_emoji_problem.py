"""The emoji problem: what is held out, what counts as right, and what is missing without pictures."""

from __future__ import annotations

import pytest

from omniloom.core.randomness import generator
from omniloom.data.emoji import CORNERS, FORMS, NAMES, Drawing, draw, random_sticker
from omniloom.data.problems import EmojiProblem, majority, partial_scores, score
from omniloom.data.problems.emoji import SPOKEN_NAMES, is_held_out_drawing, is_held_out_spot
from omniloom.data.problems.emoji.problem import is_new_placement, sticker_of
from omniloom.data.problems.emoji.wording import requested, with_article
from omniloom.data.problems.score import answer_text
from omniloom.data.speech.words import REPLY_WORDS
from omniloom.stream.parts import Audio, Image, Text

pytestmark = pytest.mark.usefixtures("emoji_at_hand", "humming")

TASKS = [task.name for task in EmojiProblem().tasks]


def facts_of(split: str, kind: str, count: int = 700) -> set[str]:
    problem = EmojiProblem()
    examples = [problem.example(split, index) for index in range(count)]  # type: ignore[arg-type]
    return {fact.partition(":")[2] for example in examples for fact in example.facts if fact.startswith(f"{kind}:")}


def test_training_shows_no_held_out_spot_and_draws_no_held_out_form() -> None:
    for split in ("train", "new"):
        for kind, is_held_out in (
            ("spot", {f"{name} {corner}" for name in NAMES for corner in CORNERS if is_held_out_spot(name, corner)}),
            ("drawing", {f"{d.name} {d.form}" for d in all_drawings() if is_held_out_drawing(d)}),
        ):
            assert not facts_of(split, kind) & is_held_out


def all_drawings() -> list[Drawing]:
    return [Drawing(name=name, form=form) for name in NAMES for form in FORMS]


def test_composed_turns_on_a_spot_or_form_held_out() -> None:
    problem = EmojiProblem()
    for task in TASKS:
        for index in range(20):
            example = problem.example("composed", index, task)
            facts = dict(fact.split(":", 1) for fact in example.facts)
            if task.startswith("draw"):
                assert isinstance(example.answer, Drawing) and is_held_out_drawing(example.answer)
            else:
                name = facts["emoji"]
                assert is_held_out_spot(name, facts["spot"].removeprefix(f"{name} "))


def test_new_places_are_never_trained_on() -> None:
    random = generator("test", "placements")
    assert all(is_new_placement(sticker_of(random, "new", NAMES)) for _ in range(100))
    assert not any(is_new_placement(sticker_of(random, "train", NAMES)) for _ in range(100))
    share = sum(is_new_placement(random_sticker("cat", random)) for _ in range(2000)) / 2000
    assert 0.05 < share < 0.15


def test_each_emoji_keeps_spots_and_forms_to_learn() -> None:
    for name in NAMES:
        assert sum(is_held_out_spot(name, corner) for corner in CORNERS) < len(CORNERS)
        assert sum(is_held_out_drawing(Drawing(name=name, form=form)) for form in FORMS) < len(FORMS) - 1
        assert not is_held_out_drawing(Drawing(name=name))
    spots = sum(is_held_out_spot(name, corner) for name in NAMES for corner in CORNERS)
    forms = sum(map(is_held_out_drawing, all_drawings()))
    assert 0.05 < spots / (4 * len(NAMES)) < 0.15 and 0.05 < forms / (5 * len(NAMES)) < 0.15


def test_every_name_is_trained_on_and_every_example_names_its_emoji_and_language() -> None:
    problem = EmojiProblem()
    assert len({problem.example("train", index, "draw_emoji_typed").answer for index in range(1500)}) > 200
    for task in TASKS:
        facts = problem.example("train", 0, task).facts
        assert "language:en" in facts and any(fact.startswith("emoji:") for fact in facts)


def test_what_is_named_aloud_is_in_the_listener_s_words() -> None:
    problem = EmojiProblem()
    assert len(SPOKEN_NAMES) >= 8
    for task in ("name_emoji_audio", "emoji_spoken_audio"):
        for index in range(60):
            assert set(answer_text(problem.example("train", index, task)).split()) <= set(REPLY_WORDS)


def test_the_right_drawing_scores_one_and_others_in_part() -> None:
    example = EmojiProblem().example("new", 0, "draw_emoji_typed")
    assert isinstance(example.answer, Drawing)
    other = Drawing(name="cat" if example.answer.name != "cat" else "dog", form=example.answer.form)
    moved = Drawing(name=example.answer.name, form="small" if example.answer.form == "plain" else "plain")
    assert score(example, example.reply.parts) == 1
    assert partial_scores(example, [draw(other)]) == {"emoji": 0, "form": 1} and score(example, [draw(other)]) == 0
    assert partial_scores(example, [draw(moved)]) == {"emoji": 1, "form": 0} and score(example, [draw(moved)]) == 0
    assert partial_scores(example, [Text("cat")]) == {"emoji": 0, "form": 0}


def test_no_answer_is_given_too_often() -> None:
    problem = EmojiProblem()
    for task in TASKS[:5]:
        assert majority([problem.example("new", index, task) for index in range(100)]) <= 0.25


def test_mixed_tasks_say_what_they_are_given() -> None:
    problem = EmojiProblem()
    kinds = {"image": Image, "audio": Audio}
    assert set(problem.inputs) == {name for name, cell in problem.cells.items() if cell is None}
    for task, given in problem.inputs.items():
        parts = problem.example("train", 0, task).prompt[0].parts
        assert {type(part) for part in parts} == {kinds[kind] for kind in given}


def test_people_ask_for_them_in_english() -> None:
    assert [with_article(name) for name in ("cat", "owl", "unicorn", "hourglass", "jeans")] == [
        "a cat", "an owl", "a unicorn", "an hourglass", "jeans",
    ]  # fmt: skip
    random = generator("test", "wording")
    assert requested("owl", "small", random) == "a small owl"
    assert "top left" in requested("owl", "top left", random)
