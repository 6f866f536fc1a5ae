"""What is held out is held out: by enumeration of thousands of examples, not by trust."""

from collections import defaultdict

import pytest

from omniloom.data.problems import CELLS, SPLITS, Mixture, WorldMix
from omniloom.data.problems.holdout import HELD_OUT_KINDS, composed_bigrams
from omniloom.data.problems.scenes_problem import DRAW
from omniloom.data.problems.sums import LARGEST_OPERAND, SIGNS, is_composed_operands
from omniloom.data.problems.wording import SCENE_WORDINGS
from omniloom.data.scenes import COLOURS, HELD_OUT_PAIRS, SHAPES
from omniloom.data.speech.french import french_name
from omniloom.data.speech.words import PHRASE_WORDS_IN
from omniloom.stream.parts import Text

pytestmark = pytest.mark.usefixtures("digits_at_hand", "emoji_at_hand", "humming")

NUM_TRAIN, NUM_HELD_OUT = 3000, 1000
NEVER_SHARED = {
    "new": ("template", "voice", "take", "phrase", "scene", "rendering", "placement"),
    "composed": ("rendering",),
}
"""Kinds of which no fact of the split occurs in training; *composed* shares its templates and voices on purpose."""


@pytest.fixture(scope="module")
def facts() -> dict[str, dict[str, set[str]]]:
    """Filled by the first test that needs it: facts by split and kind."""
    return {}


def gather(facts: dict, split: str) -> dict[str, set[str]]:
    if split not in facts:
        world, found = Mixture(), defaultdict(set)
        for index in range(NUM_TRAIN if split == "train" else NUM_HELD_OUT):
            for fact in world.example(split, index).facts:
                found[fact.split(":")[0]].add(fact)
        facts[split] = found
    return facts[split]


@pytest.mark.parametrize("split", ["new", "composed"])
def test_held_out_kinds_share_nothing_with_training(facts: dict, split: str) -> None:
    train, other = gather(facts, "train"), gather(facts, split)
    for kind in NEVER_SHARED[split]:
        assert other[kind], f"no {kind} was seen"
        assert not train[kind] & other[kind], kind


def test_training_knows_nothing_that_is_composed(facts: dict) -> None:
    train = gather(facts, "train")
    assert not train["pair"] & {f"pair:{colour} {shape}" for colour, shape in HELD_OUT_PAIRS}
    assert not train["bigram"] & {f"bigram:{a} {b}" for a, b in composed_bigrams()}
    assert not train["bigram"] & {f"bigram:fr {a} {b}" for a, b in composed_bigrams("fr")}
    assert train["language"] == {"language:en", "language:fr"}
    for fact in train["operands"]:
        first, operation, second = fact.split(":")[1].split()
        assert not is_composed_operands(int(first), operation, int(second))


@pytest.mark.parametrize("split", ["new", "composed"])
def test_each_example_holds_something_never_trained_on(facts: dict, split: str) -> None:
    seen = set().union(*gather(facts, "train").values())
    world = Mixture()
    kinds = (*HELD_OUT_KINDS[split], *(["rendering"] if split == "new" else []))
    for index in range(300):
        example = world.example(split, index)
        assert any(fact.split(":")[0] in kinds and fact not in seen for fact in example.facts), example.facts


def test_no_training_text_names_a_held_out_pair() -> None:
    world = Mixture()
    names = [f"{colour} {shape}" for colour, shape in HELD_OUT_PAIRS]
    names += [french_name(shape, colour) for colour, shape in HELD_OUT_PAIRS]
    for index in range(1500):
        for message in world.example("train", index).messages:
            text = " ".join(part.text for part in message.parts if isinstance(part, Text)).lower()
            assert not any(f"{name} " in f"{' '.join(text.split())} " for name in names), text


def test_composed_answers_turn_on_the_held_out_pair() -> None:
    world = Mixture(WorldMix(emoji=None))
    for cell in ("text-to-image", "image-to-text", "image-to-image"):
        for index in range(60):
            example = world.cell_example(cell, "composed", index)
            pairs = {fact.split(":")[1] for fact in example.facts if fact.startswith("pair:")}
            assert pairs & {f"{colour} {shape}" for colour, shape in HELD_OUT_PAIRS}


def test_what_is_held_out_is_a_tenth_or_less() -> None:
    sums = [
        is_composed_operands(a, sign, b)
        for a in range(LARGEST_OPERAND + 1)
        for b in range(LARGEST_OPERAND + 1)
        for sign in SIGNS
        if sign == "plus" or a >= b
    ]
    assert 0.05 < sum(sums) / len(sums) <= 0.10
    for language, words in PHRASE_WORDS_IN.items():
        assert 0.05 < len(composed_bigrams(language)) / len(words) ** 2 <= 0.10
    assert len(HELD_OUT_PAIRS) / (len(COLOURS) * len(SHAPES)) <= 0.10


@pytest.mark.parametrize(
    "combinations",
    [DRAW._typed, DRAW._spoken, SCENE_WORDINGS["fr"].draw._typed, SCENE_WORDINGS["fr"].draw._spoken],
    ids=["typed", "spoken", "French typed", "French spoken"],
)
def test_words_of_held_out_templates_are_trained_on(combinations) -> None:
    held_out = set(combinations.held_out)
    trained = {
        piece
        for opener in combinations.openers
        for core in combinations.cores
        for closer in combinations.closers
        if (opener, core, closer) not in held_out
        for piece in (opener, core, closer)
    }
    assert held_out and all(piece in trained for combination in held_out for piece in combination)
    assert all(opener or closer for opener, _, closer in held_out)


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("cell", CELLS)
def test_every_cell_has_examples_of_its_own(cell: str, split: str) -> None:
    example = Mixture().cell_example(cell, split, 7)
    assert example.cell == cell and example.reply.role == "assistant"
