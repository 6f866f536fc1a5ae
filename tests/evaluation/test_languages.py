"""English and French side by side: the rarer language gets its share, and a gap in it shows."""

from __future__ import annotations

import pytest

from omniloom.data.problems import Example
from omniloom.evaluation.languages import by_language, more_of_the_rarer
from omniloom.evaluation.report import CellScore, LanguageScore
from omniloom.evaluation.table import language_rows
from omniloom.stream.message import Message
from omniloom.stream.parts import Text


def example(language: str | None, task: str = "say") -> Example:
    facts = () if language is None else (f"language:{language}",)
    messages = (Message("user", (Text("?"),)), Message("assistant", (Text("x"),)))
    return Example(messages=messages, cell="text-to-text", task=task, answer="x", facts=facts)


def mixed(index: int) -> Example:
    return example("fr" if index % 10 == 0 else "en")


def test_the_rarer_language_is_drawn_until_it_has_a_third() -> None:
    examples = [mixed(index) for index in range(30)]
    further = more_of_the_rarer(mixed, examples)
    assert len(further) == 10 - 3
    assert {item.facts for item in further} == {("language:fr",)}


def test_a_language_that_is_too_rare_is_looked_for_only_so_long() -> None:
    looked_at = []

    def draw(index: int) -> Example:
        looked_at.append(index)
        return example("en")

    examples = [example("fr"), *(example("en") for _ in range(29))]
    assert more_of_the_rarer(draw, examples) == []
    assert looked_at == list(range(30, 150))


def test_one_language_needs_no_more() -> None:
    assert more_of_the_rarer(mixed, [example("en"), example(None)]) == []
    assert by_language([example("en"), example(None)], [1, 1], [1, 1]) == {}


def test_only_tasks_of_both_languages_are_compared() -> None:
    examples = [example("en"), example("en", "sums"), example("fr"), example("fr"), example(None)]
    found = by_language(examples, [1.0, 0.0, 1.0, 0.0, 0.0], [1.0, 1.0, 0.8, 1.0, 1.0])
    assert found == {
        "en": LanguageScore(n=1, score=1.0, ceiling=1.0),
        "fr": LanguageScore(n=2, score=0.5, ceiling=pytest.approx(0.9)),
    }


def test_the_gap_is_of_what_each_codec_allows() -> None:
    cell = CellScore(
        name="text-to-audio", input="text", output="audio", split="new", n=10, score=0.8, ceiling=1, majority=0,
        shuffled=0, tasks={},
        languages={"en": LanguageScore(n=6, score=0.9, ceiling=1.0), "fr": LanguageScore(n=4, score=0.4, ceiling=0.5)},
    )  # fmt: skip
    (row,) = language_rows([cell])
    assert row[:6] == ("text-to-audio", "new", "6", "0.900", "4", "0.400")
    assert row[-1] == "0.100"
