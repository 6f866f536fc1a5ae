"""Every task: an oracle scores 1, a constant no more than chance; and what its generator promises."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from omniloom.data.problems import pair_problem
from omniloom.data.public import is_at_hand
from omniloom.evaluation.few_shot import ARITHMETIC, Constant, Options, Oracle, evaluate_few_shot, few_shot_tasks
from omniloom.evaluation.few_shot.tasks import (
    analogies,
    arithmetic,
    cloze,
    novel_words,
    scrambles,
    sources,
    translation,
)

MADE = [*(task.name for task in ARITHMETIC), "cloze", "novel-words", "analogies"]
READ = {
    "gsm8k": [sources.GSM8K],
    "piqa": [sources.PIQA],
    "winogender": [sources.WINOGENDER],
    "en-fr": [sources.PYTHON_DOCS_FR],
    "fr-en": [sources.PYTHON_DOCS_FR],
}
READ |= {name: [sources.GSM8K, sources.PIQA, sources.TINYSHAKESPEARE] for name in ("CL", "A1", "A2", "RI", "RW")}
READ |= {name: [sources.BBH] for name in few_shot_tasks if name.startswith("bbh-") and not name.startswith("bbh-cot-")}


def needs(*wanted: sources.PublicFiles) -> pytest.MarkDecorator:
    missing = [source.name for source in wanted if not is_at_hand(source)]
    return pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)} is neither in $OMNILOOM_DATA nor downloaded")


EVERY = [*MADE, *(pytest.param(name, marks=needs(*of)) for name, of in READ.items())]


def test_every_task_is_tested() -> None:
    worked = {name for name in few_shot_tasks if name.startswith("bbh-cot-")}
    elsewhere = {name for name in few_shot_tasks if name.startswith(("test-", "meta-", "omni-"))}  # in own files
    assert {*MADE, *READ} == set(few_shot_tasks) - worked - elsewhere


@pytest.mark.parametrize("name", EVERY)
def test_an_oracle_scores_one_and_a_constant_no_more_than_chance(name: str) -> None:
    task = few_shot_tasks.get(name)
    known = evaluate_few_shot(Oracle(task), [name], shots=(0, 1, "few"), limit=60)
    assert [row.score for row in known.rows] == pytest.approx([1.0] * 3, abs=1e-9)
    answers = Counter(item.answers[0] for item in task.items("test"))
    for text in ("0", answers.most_common(1)[0][0]):
        for row in evaluate_few_shot(Constant(text), [name], shots=(0, "few"), limit=200).rows:
            assert row.low <= row.chance < 0.8, f"{text!r} scores {row.score}, more than chance, {row.chance}"


@pytest.mark.parametrize("name", EVERY)
def test_nothing_that_is_scored_is_demonstrated(name: str) -> None:
    task = few_shot_tasks.get(name)
    scored, shown = ({(item.context, item.answers) for item in task.items(split)} for split in ("test", "train"))
    assert not scored & shown
    assert len(shown) >= task.shots
    if isinstance(task.answering, Options):
        places = Counter(item.options.index(item.answers[0]) for item in task.items("test"))
        assert len(places) == len(task.items("test")[0].options)


@pytest.mark.parametrize("task", ARITHMETIC, ids=lambda task: task.name)
def test_sums_are_right_and_operands_in_range(task) -> None:
    items = task.items("test")
    assert len(items) == 2000 and len({item.context for item in items}) == 2000
    numbers: list[int] = []
    for item in items:
        found = re.fullmatch(r"\n\nQ: What is (.+)\?\n\nA:", item.context)
        assert found is not None
        asked = found[1].replace("plus", "+").replace("minus", "-").replace("times", "*")
        assert item.answers == (f" {eval(asked)}",)
        own = [int(number) for number in re.findall(r"\d+", asked)]
        assert len(own) == (3 if task.name == "1DC" else 2)
        numbers += own
    low, high = (1, 9) if task.name == "1DC" else (0, 10 ** int(task.name[0]) - 1)
    assert low <= min(numbers) and max(numbers) <= high
    # Uniform: the mean of n draws lies within five standard errors of the middle.
    middle, error = (low + high) / 2, (high - low + 1) / 12**0.5 / len(numbers) ** 0.5
    assert abs(sum(numbers) / len(numbers) - middle) < 5 * error
    if task.name.endswith("-"):
        assert any(item.answers[0].startswith(" -") for item in items)


def undone(name: str, scrambled: str, word: str) -> bool:
    """Whether the scramble can be undone to the word in its own way."""
    if name == "CL":
        return scrambled in {word[turn:] + word[:turn] for turn in range(1, len(word))}
    if name == "RW":
        return scrambled[::-1] == word
    if name == "RI":
        return scrambled[::2] == word and set(scrambled[1::2]) <= set(scrambles.MARKS)
    kept = int(name[1])
    ends = scrambled[:kept] + scrambled[-kept:] == word[:kept] + word[-kept:]
    return ends and sorted(scrambled) == sorted(word) and scrambled != word


@needs(sources.GSM8K, sources.PIQA, sources.TINYSHAKESPEARE)
@pytest.mark.parametrize("name", ["CL", "A1", "A2", "RI", "RW"])
def test_scrambles_can_be_undone(name: str) -> None:
    items = few_shot_tasks.get(name).items("test")
    assert len(items) > (6000 if name == "A2" else 9400)
    for item in items:
        word = item.answers[0].removeprefix(" ")
        assert 4 < len(word) < 15
        assert undone(name, item.context.removeprefix("\n").removesuffix(" ="), word)


def test_stories_name_their_answer_and_others() -> None:
    items = few_shot_tasks.get("cloze").items("test")
    assert Counter(len(item.answers) for item in items) == {1: 1000}
    for item in items:
        word = item.answers[0].strip()
        others = {*cloze.NAMES, *cloze.THINGS, *cloze.PLACES} - {word}
        assert item.alone is not None
        words = re.findall(r"\w+", item.alone)
        assert word in words and sum(other in words for other in others) >= 2


def test_only_one_option_is_in_the_given_relation() -> None:
    everything = [pair for pairs in analogies.PAIRS.values() for pair in pairs]
    assert len(set(everything)) == len(everything)
    for item in few_shot_tasks.get("analogies").items("test"):
        pairs = [tuple(option.strip().split(" is to ")) for option in item.options]
        given = tuple(item.context.removesuffix(" as").split(" is to "))
        (relation,) = [name for name, own in analogies.PAIRS.items() if given in own]
        inside = [pair for pair in pairs if pair in analogies.PAIRS[relation]]
        assert inside == [tuple(item.answers[0].strip().split(" is to "))] and given not in pairs


def test_new_words_are_new_and_used_in_every_option() -> None:
    words = []
    for item in [*few_shot_tasks.get("novel-words").items("test"), *few_shot_tasks.get("novel-words").items("train")]:
        (word,) = re.findall(r"the word (\w+) is:", item.context)
        assert all(word in option for option in item.options) and len(item.options) == novel_words.NUM_OPTIONS
        words.append(word)
    assert len(set(words)) == len(words)


@needs(sources.WINOGENDER)
def test_winogender_asks_each_sentence_with_three_pronouns() -> None:
    items = few_shot_tasks.get("winogender").items("test")
    assert Counter(item.group for item in items) == {"male": 100, "female": 100, "neutral": 100}
    assert all(item.options[0][1:] in item.context and item.options[1][1:] in item.context for item in items)


@needs(sources.PYTHON_DOCS_FR)
def test_what_is_translated_was_held_out_of_the_problem_of_pairs_too() -> None:
    problem = pair_problem("translate_enfr_python_docs")
    learned = {text for split in ("train", "dev") for pair in problem.pairs(split) for text in pair}
    scored = translation.sentences("test")
    assert len(scored) > 100
    assert not [own for pair in scored for own in pair if own in learned]


def test_a_catalogue_of_translations_is_read() -> None:
    text = """# header
msgid ""
msgstr ""
"Language: fr\\n"

#: a.rst:1
msgid ""
"Two "
"parts."
msgstr "Deux parties."

#, fuzzy
msgid "Doubtful."
msgstr "Douteux."

msgid "Open."
msgstr ""

#~ msgid "Old."
#~ msgstr "Vieux."
"""
    assert list(translation.po_pairs(text)) == [("Two parts.", "Deux parties.")]


def test_the_first_items_do_not_depend_on_what_ran_before() -> None:
    first = arithmetic.Drawn("2D+", arithmetic.Binary("plus", 2))("test")[:5]
    few_shot_tasks.get("5D-").items("test")
    assert first == few_shot_tasks.get("2D+").items("test")[:5]
