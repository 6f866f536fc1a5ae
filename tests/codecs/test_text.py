"""Text codec: any string comes back exactly, streamed equals whole, words alone equal words in a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniloom.codecs.text import TextCodec
from omniloom.core.checkpoint import write_folder
from omniloom.stream.parts import Text

SENTENCES = [
    "draw a big red circle at the top left",
    "what is 17 plus 12",
    "the small blue heart",
    "big red star and ring",
]


@pytest.fixture(scope="module")
def codec() -> TextCodec:
    return TextCodec.train(SENTENCES * 20, vocab_size=400)


CODEC = TextCodec.train(SENTENCES * 20, vocab_size=400)


@given(st.text())
def test_any_string_comes_back_exactly(text: str) -> None:
    assert CODEC.decode_text(CODEC.encode_text(text)) == text


@given(st.text(alphabet=st.sampled_from("aé漢🙂 1\n\r\x00"), max_size=12))
def test_awkward_strings_come_back_exactly(text: str) -> None:
    assert CODEC.decode_text(CODEC.encode_text(text)) == text


@given(st.lists(st.integers(0, 399), max_size=30))
def test_streamed_equals_whole_for_any_codes(codes: list[int]) -> None:
    stream = CODEC.stream()
    assert "".join(stream.push(code) for code in codes) + stream.flush() == CODEC.decode_text(codes)


@given(st.text(alphabet="é漢🙂a", min_size=1, max_size=8))
def test_a_stream_never_gives_half_a_character(text: str) -> None:
    stream = CODEC.stream()
    so_far = ""
    for code in CODEC.encode_text(text):
        so_far += stream.push(code)
        assert text.startswith(so_far)
    assert so_far == text and stream.flush() == ""


def test_words_one_by_one_equal_the_sentence(codec: TextCodec) -> None:
    words = ["big", " red", " circle", " and", " blue", " heart"]
    assert [code for word in words for code in codec.encode_text(word)] == codec.encode_text("".join(words))


def test_digits_stand_alone(codec: TextCodec) -> None:
    assert [codec.decode_text([code]) for code in codec.encode_text("2026")] == ["2", "0", "2", "6"]


def test_frequent_words_are_single_tokens(codec: TextCodec) -> None:
    assert len(codec.encode_text(" red")) == 1


def test_unused_codes_decode_to_nothing() -> None:
    small = TextCodec.train(["ab"], vocab_size=1024)
    assert small.spec.size == 1024
    assert small.decode_text([1000]) == ""
    with pytest.raises(ValueError, match="visible"):
        small.decode([1000])


def test_saved_equals_loaded(codec: TextCodec, tmp_path: Path) -> None:
    codec.save(tmp_path / "text")
    loaded = TextCodec.load(tmp_path / "text")
    assert loaded.spec == codec.spec
    assert loaded.encode(Text("draw a 漢 star")) == codec.encode(Text("draw a 漢 star"))


def test_training_is_deterministic(codec: TextCodec) -> None:
    assert TextCodec.train(SENTENCES * 20, vocab_size=400).spec == codec.spec
    assert TextCodec.train([*SENTENCES * 20, "zebra zebra"], vocab_size=400).spec != codec.spec


def test_errors_name_value_and_remedy(codec: TextCodec, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"0\.\.399, got \[400\]"):
        codec.decode_text([400])
    with pytest.raises(ValueError, match="lone surrogate"):
        codec.encode_text("a\ud800")
    with pytest.raises(ValueError, match="at least 256"):
        TextCodec.train(["a"], vocab_size=100)
    with pytest.raises(FileNotFoundError):
        TextCodec.load(tmp_path / "none")
    codec.save(tmp_path / "codec")
    (tmp_path / "codec" / "tokenizer.json").write_text("{}")
    with pytest.raises(ValueError, match="is torn"):
        TextCodec.load(tmp_path / "codec")
    write_folder(tmp_path / "other", lambda path: (path / "config.json").write_text("{}"))
    with pytest.raises(ValueError, match="holds no text codec"):
        TextCodec.load(tmp_path / "other")


INDENTED = TextCodec.train(["def f(x):\n    if x:\n        return x + 10\n"] * 20, vocab_size=330, longest_run=21)


@given(st.text(alphabet=st.sampled_from("a é\n\t7"), max_size=60))
def test_text_with_runs_of_spaces_comes_back_exactly(text: str) -> None:
    assert INDENTED.decode_text(INDENTED.encode_text(text)) == text


@pytest.mark.parametrize("length", range(2, 22))
def test_every_run_of_spaces_is_one_token(length: int) -> None:
    run = INDENTED.encode_text(f"x{' ' * length}x")
    assert [INDENTED.decode_text([code]) for code in run] == ["x", " " * length, "x"]


def test_a_longer_run_is_the_longest_and_the_rest() -> None:
    lengths = [len(INDENTED.decode_text([code])) for code in INDENTED.encode_text(" " * 50)]
    assert sum(lengths) == 50 and len(lengths) <= 4


def test_runs_that_cannot_be_held_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 276, one for each byte and for each of 20 runs"):
        TextCodec.train(["x"], vocab_size=270, longest_run=21)
    with pytest.raises(ValueError, match="longest_run must be at least 1"):
        TextCodec.train(["x"], longest_run=0)
