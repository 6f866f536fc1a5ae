"""Sums are right, reach as far as they say, and are judged by their answer."""

import re

import numpy as np
import pytest

from omniloom.codecs.text import TextCodec
from omniloom.data.problems import SPLITS, SumsProblem, score
from omniloom.data.problems.holdout import is_composed_operands
from omniloom.data.problems.sums import LARGEST_OPERAND, operands_of, result, steps_of
from omniloom.data.speech.words import number_words
from omniloom.stream.parts import Audio, Text

pytestmark = pytest.mark.usefixtures("humming")


def texts(parts) -> str:
    return "".join(f" {part.text}" for part in parts if isinstance(part, Text)).strip()


IN_WORDS = {number_words(number): number for number in range(2 * LARGEST_OPERAND + 1)}


def reckonable(asked: str) -> tuple[int, str, int]:
    first, operation, second = re.fullmatch(r"([a-z ]+) (plus|minus) ([a-z ]+)", asked).groups()
    return IN_WORDS[first], operation, IN_WORDS[second]


def reckoned(fact: str) -> int:
    first, operation, second = fact.removeprefix("operands:").split()
    return int(first) + int(second) if operation == "plus" else int(first) - int(second)


@pytest.mark.parametrize("split", SPLITS)
def test_answers_are_right(split) -> None:
    for index in range(300):
        example = SumsProblem().example(split, index)
        (fact,) = (fact for fact in example.facts if fact.startswith("operands:"))
        assert IN_WORDS[example.answer] == reckoned(fact) >= 0
        digits = re.search(r"(\d+) (\+|-|plus|minus) (\d+)", texts(example.messages[0].parts))
        if digits:
            first, sign, second = digits.groups()
            assert IN_WORDS[example.answer] == int(first) + int(second) * (1 if sign in ("+", "plus") else -1)


def test_operands_reach_forty_nine_and_small_ones_stay_frequent() -> None:
    facts = [next(iter(SumsProblem().example("train", index).facts)) for index in range(1500)]
    pairs = [[int(number) for number in re.findall(r"\d+", fact)] for fact in facts]
    assert max(map(max, pairs)) == LARGEST_OPERAND
    assert 0.3 < sum(max(pair) <= 9 for pair in pairs) / len(pairs) < 0.5


def test_what_was_heard_is_written_first_and_the_answer_alone_is_judged() -> None:
    for index in range(20):
        example = SumsProblem().example("new", index, "sum_spoken_text")
        written = texts(example.reply.parts)
        request, _, answer = written.rpartition(" is ")
        assert answer == example.answer and re.match(r"[a-z ]+ (plus|minus) [a-z]+", request)
        assert score(example, [Text(f"one plus one is {answer}")]) == score(example, [Text(answer)]) == 1.0
        assert score(example, [Text(f"{answer} is one plus one")]) == 0.0


def test_a_typed_sum_is_answered_without_repeating_it_where_it_is_one_step() -> None:
    seen = set()
    for index in range(40):
        example = SumsProblem().example("new", index, "sum_text")
        (fact,) = (fact for fact in example.facts if fact.startswith("operands:"))
        second = int(fact.split()[-1])
        written = texts(example.reply.parts)
        assert written.endswith(example.answer) and score(example, [Text(written)]) == 1.0
        if second < 10:
            assert written == example.answer
        seen.add(" is " in written)
    assert seen == {False, True}


@pytest.mark.parametrize(
    ("asked", "steps"),
    [
        ((27, "plus", 14), [(27, "plus", 10), (37, "plus", 4)]),
        ((42, "minus", 17), [(42, "minus", 10), (32, "minus", 7)]),
        ((27, "plus", 20), [(27, "plus", 20)]),
        ((27, "plus", 8), [(27, "plus", 8)]),
    ],
)
def test_steps(asked, steps) -> None:
    assert steps_of(*asked) == steps and result(*steps[-1]) == result(*asked)


def test_steps_are_written_in_words() -> None:
    for index in range(200):
        written = texts(SumsProblem().example("train", index, "sum_spoken_text").reply.parts)
        if ", " in written:
            whole, *steps = written.split(", ")
            first, operation, second = reckonable(whole)
            for step in steps:
                sign, number, reached = re.fullmatch(r"(plus|minus) ([a-z ]+) is ([a-z ]+)", step).groups()
                assert sign == operation and result(first, sign, IN_WORDS[number]) == IN_WORDS[reached]
                first, second = IN_WORDS[reached], second - IN_WORDS[number]
            assert second == 0
            return
    raise AssertionError("no sum of two steps in 200")


def test_no_step_of_a_training_sum_is_a_sum_held_out() -> None:
    for split in ("train", "new"):
        for index in range(300):
            random = np.random.default_rng(index)
            for step in steps_of(*operands_of(random, split)):
                assert max(step[0], step[2]) > LARGEST_OPERAND or not is_composed_operands(*step)


def test_of_a_spoken_answer_only_the_answer_sounds() -> None:
    example = SumsProblem().example("train", 3, "sum_spoken_audio")
    sounds = [part for part in example.reply.parts if isinstance(part, Audio)]
    assert len(sounds) == len(example.answer.split())
    assert f" is {example.answer}" in texts(example.reply.parts)
    assert isinstance(example.reply.parts[0], Text) and isinstance(example.reply.parts[1], Audio)


def test_each_digit_is_a_token_of_its_own() -> None:
    codec = TextCodec.train(["what is 43 + 28", "43 43 28 28"] * 50, 400)
    pieces = [codec.decode_text([code]) for code in codec.encode_text("how much is 43 + 28?")]
    assert [piece for piece in pieces if re.search(r"\d", piece)] == ["4", "3", "2", "8"]
