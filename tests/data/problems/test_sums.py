"""Sums are right, reach as far as they say, and are judged by their answer."""

import re

import pytest

from omniloom.codecs.text import TextCodec
from omniloom.data.problems import SPLITS, SumsProblem, score
from omniloom.data.problems.sums import LARGEST_OPERAND, in_digits
from omniloom.data.speech.words import number_words
from omniloom.stream.parts import Audio, Text

pytestmark = pytest.mark.usefixtures("humming")


def texts(parts) -> str:
    return "".join(f" {part.text}" for part in parts if isinstance(part, Text)).strip()


IN_WORDS = {number_words(number): number for number in range(2 * LARGEST_OPERAND + 1)}


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


def test_the_sum_is_written_in_digits_first_and_the_answer_alone_is_judged() -> None:
    for task in ("sum_text", "sum_spoken_text"):
        for index in range(40):
            example = SumsProblem().example("new", index, task)
            reckoned_in_digits, _, answer = texts(example.reply.parts).partition(": ")
            first, sign, second, reached = re.fullmatch(r"(\d\d)([+-])(\d\d)=(\d\d)", reckoned_in_digits).groups()
            assert int(first) + int(second) * (1 if sign == "+" else -1) == int(reached) == IN_WORDS[answer]
            assert answer == example.answer
            assert score(example, [Text(f"01+01=02: {answer}")]) == score(example, [Text(answer)]) == 1.0
            assert score(example, [Text(f"{reckoned_in_digits}: one and {answer}")]) == 0.0


@pytest.mark.parametrize(
    ("asked", "written"),
    [((27, "plus", 14), "27+14=41"), ((8, "minus", 5), "08-05=03"), ((49, "plus", 49), "49+49=98")],
)
def test_two_digits_to_a_number(asked, written) -> None:
    assert in_digits(*asked) == written


def test_of_a_spoken_answer_only_the_answer_sounds() -> None:
    example = SumsProblem().example("train", 3, "sum_spoken_audio")
    sounds = [part for part in example.reply.parts if isinstance(part, Audio)]
    assert len(sounds) == len(example.answer.split())
    assert f": {example.answer}" in texts(example.reply.parts)
    assert isinstance(example.reply.parts[0], Text) and isinstance(example.reply.parts[1], Audio)


def test_each_digit_is_a_token_of_its_own() -> None:
    codec = TextCodec.train(["what is 43 + 28", "43 43 28 28"] * 50, 400)
    pieces = [codec.decode_text([code]) for code in codec.encode_text("how much is 43 + 28?")]
    assert [piece for piece in pieces if re.search(r"\d", piece)] == ["4", "3", "2", "8"]
