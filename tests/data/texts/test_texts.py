"""Text examples as rows: the very arrays that the world's examples become, and refusals that say which example."""

from __future__ import annotations

import numpy as np
import pytest
from tests.stream.vocabularies import small_vocabulary

from omniloom.codecs.bundle import CodecSet
from omniloom.codecs.text import TextCodec
from omniloom.data.problems import SumsProblem
from omniloom.data.texts import TextDataset, TextExample, examples_of, fingerprint_of
from omniloom.data.token_dataset import EncodedExample, folded
from omniloom.stream.layout import EncodedMessage, Piece, lay_out

EXAMPLES = [
    TextExample(prompt="2 + 2 =", reply=" 4"),
    TextExample(prompt="", reply="once upon a time", is_cut=True, task="story"),
    TextExample(prompt="é漢", reply=""),
]
CODEC = TextCodec.train(["once upon a time 2 + 2 = 4"] * 4, 280)
VOCABULARY = CodecSet.of_text(CODEC).vocabulary()


@pytest.mark.parametrize("number", range(3))
def test_a_row_is_what_the_stream_lays_out(number: int) -> None:
    example = EXAMPLES[number]
    parts = [(Piece("text", CODEC.encode_text(text)),) if text else () for text in (example.prompt, example.reply)]
    messages = [EncodedMessage("user", parts[0]), EncodedMessage("assistant", parts[1], example.is_cut)]
    expected = folded(lay_out(messages, VOCABULARY), VOCABULARY)
    found = TextDataset(EXAMPLES, CODEC, VOCABULARY)[number]
    for name in EncodedExample._fields:
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)


def test_tasks_and_lengths_are_counted() -> None:
    data = TextDataset(EXAMPLES, CODEC, VOCABULARY)
    assert data.tasks == ("story", "text") and data.task_of.tolist() == [1, 0, 1]
    assert data.lengths.tolist() == [len(data[number].ids) for number in range(3)]
    assert data.summary()["text"]["examples"] == 2


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(ValueError, match=r"example 0, '2 \+ 2 =', has 12 tokens, at most 8 fit a row"):
        TextDataset(EXAMPLES, CODEC, VOCABULARY, max_tokens=8)
    with pytest.raises(ValueError, match="no example to learn from"):
        TextDataset([], CODEC, VOCABULARY)
    with pytest.raises(ValueError, match="is not the one the model was trained with"):
        TextDataset(EXAMPLES, CODEC, small_vocabulary())
    with pytest.raises(ValueError, match="needs a prompt or a reply"):
        TextExample(prompt="", reply="")


def test_a_problem_of_text_becomes_plain_examples() -> None:
    problem = SumsProblem()
    found = examples_of(problem, num_examples=3, task="sum_text", first=5)
    example = problem.example("train", 6, "sum_text")
    assert found[1].reply == example.reply.parts[0].text  # type: ignore[union-attr]
    assert found[1].task == "sum_text" and len(found) == 3
    with pytest.raises(ValueError, match="is not one question and one answer in text: user"):
        examples_of(problem, num_examples=1, task="sum_spoken_text")


def test_any_change_changes_the_fingerprint() -> None:
    others = [EXAMPLES[::-1], EXAMPLES[:2], [TextExample(prompt="2 + 2 = ", reply="4"), *EXAMPLES[1:]]]
    assert len({fingerprint_of(own) for own in [EXAMPLES, *others]}) == 4
