"""Mappings to be learned from a prompt: none that is asked stood in training, and what is asked can be known."""

from __future__ import annotations

from collections import Counter

import pytest

from omniloom.data.problems import InContextProblem
from omniloom.data.problems.in_context import FAMILIES, is_held_out
from omniloom.evaluation.few_shot import Constant, Oracle, evaluate_few_shot, few_shot_tasks, make_prompt
from omniloom.evaluation.few_shot.tasks import META
from omniloom.recipes.meta import MetaRecipe

NAMES = [task.name for task in META]
COUNTS = {"letter": 40_320, "cipher": 40_320, "order": 120, "labels": 40_320, "rules": 336}


@pytest.mark.parametrize("family", FAMILIES)
def test_held_out_mappings_are_told_by_enumeration(family: str) -> None:
    """Of all mappings of a family some are held out, the tasks ask of those alone, and training has none of them."""
    names = list(FAMILIES[family].names())
    assert len(set(names)) == len(names) == COUNTS[family]
    held_out = {name for name in names if is_held_out(name)}
    assert 0.1 < len(held_out) / len(names) < 0.2
    for task in (few_shot_tasks.get(f"meta-{family}"), few_shot_tasks.get(f"meta-{family}-shuffled")):
        for split in ("train", "test"):
            assert {item.mapping.partition(" ")[2] for item in task.items(split)} <= held_out
    problem = InContextProblem()
    trained = {
        fact.removeprefix("mapping:") for index in range(1500) for fact in problem.example("train", index, family).facts
    }
    assert trained <= set(names) - held_out
    new = {fact.removeprefix("mapping:") for index in range(50) for fact in problem.example("new", index, family).facts}
    assert new <= held_out


def test_recall_holds_the_same_ciphers_out() -> None:
    problem = InContextProblem()
    facts = {fact for index in range(500) for fact in problem.example("train", index, "recall").facts}
    assert all(fact.startswith("mapping:cipher:") and not is_held_out(fact.removeprefix("mapping:")) for fact in facts)


@pytest.mark.parametrize("name", NAMES)
def test_demonstrations_are_of_the_items_own_mapping_and_never_the_item(name: str) -> None:
    task = few_shot_tasks.get(name)
    pool = task.items("train")
    lines = {shown.mapping: set() for shown in pool}
    for shown in pool:
        lines[shown.mapping].add(shown.context + shown.answers[0])
    for item in task.items("test")[::20]:
        *shown, asked = make_prompt(task, item, pool, shots="few").text.split("\n")
        assert asked == item.context
        assert set(shown) <= lines[item.mapping] and len(shown) == task.shots
        assert not any(line.startswith(item.context) and len(item.context) > 2 for line in shown)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_shown_follows_the_mapping_and_in_the_control_it_does_not(family: str) -> None:
    right, wrong = (few_shot_tasks.get(f"meta-{family}{end}") for end in ("", "-shuffled"))
    pairs = list(zip(right.items("train"), wrong.items("train"), strict=True))
    assert all(a.context == b.context and a.mapping == b.mapping for a, b in pairs)
    assert Counter(a.answers for a, _ in pairs) == Counter(b.answers for _, b in pairs)
    same = sum(a.answers == b.answers for a, b in pairs) / len(pairs)
    assert same < 0.65, "two answers dealt out anew are the same half of the time, and more are seldomer"
    assert [item.answers for item in right.items("test")] == [item.answers for item in wrong.items("test")]


@pytest.mark.parametrize("name", NAMES)
def test_an_oracle_scores_one_and_a_constant_no_more_than_chance(name: str) -> None:
    task = few_shot_tasks.get(name)
    assert [row.score for row in evaluate_few_shot(Oracle(task), [name], limit=60).rows] == [1.0] * 3
    for text in ("0", Counter(item.answers[0] for item in task.items("test")).most_common(1)[0][0]):
        for row in evaluate_few_shot(Constant(text), [name], shots=(0, "few"), limit=200).rows:
            assert row.low <= row.chance < 0.8


def test_every_example_fits_its_row() -> None:
    """A letter, a digit and a newline are a token each, and a word is at most one: so tokens can be counted here."""
    recipe, problem = MetaRecipe(), InContextProblem()
    overhead = 5
    for family, stage in (("recall", recipe.first), ("cipher", recipe.second), ("order", recipe.second)):
        longest = 0
        for index in range(300):
            question, answer = problem.example("train", index, family).messages
            longest = max(longest, sum(len(part.text) for part in (*question.parts, *answer.parts)) + overhead)
        assert longest <= stage.row_length
