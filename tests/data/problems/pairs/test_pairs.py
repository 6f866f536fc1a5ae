"""Problems of pairs: variants, splits that share nothing, encoders that come back, and what is refused."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omniloom.data.problems.base import problems
from omniloom.data.problems.mix import Mixture, WorldMix
from omniloom.data.problems.pairs import (
    PAIR_SPLITS,
    Markup,
    PairEncoders,
    PairProblem,
    PairsProblem,
    TextPair,
    TokenEncoder,
    learn_subwords,
    names_pairs,
    pair_metrics,
    pair_problem,
    unshared,
)
from omniloom.stream.parts import Text

PAIRS = {
    "train": [TextPair(f"go {n}", f"allez {n}") for n in range(30)],
    "dev": [TextPair("stop", "arrêtez")],
    "test": [TextPair("come here", "venez ici"), TextPair("wait", "attendez")],
}


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> type[PairProblem]:
    """A registered problem of a few pairs, forgotten afterwards."""
    monkeypatch.setattr(problems, "_values", dict(problems._values))

    @problems.register("toy_pairs")
    class Toy(PairProblem):
        name = "toy_pairs"
        summary, licence, origin = "toys", "none", "here"
        num_subwords = 300
        asks = "In French: {}"
        given: ClassVar[dict[str, list[TextPair]]] = PAIRS

        def generate(self, split: str) -> Iterable[TextPair]:
            return self.given[split]

    return Toy


def test_suffixes_turn_pairs_round_and_copy(toy: type[PairProblem]) -> None:
    def first(name: str) -> TextPair:
        return pair_problem(name).pairs("test")[0]

    assert first("toy_pairs") == ("come here", "venez ici")
    assert first("toy_pairs_rev") == ("venez ici", "come here")
    assert first("toy_pairs_copy") == ("come here", "come here")
    assert first("toy_pairs_rev_copy") == ("venez ici", "venez ici")
    assert names_pairs("toy_pairs_rev") and not names_pairs("sums") and not names_pairs("sums_rev")


def test_each_variant_is_asked_for_in_words_of_its_own(toy: type[PairProblem]) -> None:
    """One question with two answers could not be learned."""
    names = ("toy_pairs", "toy_pairs_rev", "toy_pairs_copy", "toy_pairs_rev_copy")
    asked = [pair_problem(name).question("wait") for name in names]
    assert len(set(asked)) == 3 and asked[2] == asked[3] and all(own.endswith("wait") for own in asked)
    back = pair_problem("toy_pairs_rev")
    example = back.example("new", 0)
    (text,) = example.prompt[-1].parts
    assert text == Text(back.question(example.facts[0].removeprefix("source:")))
    assert pair_problem("translate_enfr_wmt14_rev").question("oui") == "Translate into English: oui"


def test_a_problem_and_its_reverse_have_one_vocabulary(toy: type[PairProblem]) -> None:
    forth, back = (pair_problem(name).encoders().to_json() for name in ("toy_pairs", "toy_pairs_rev"))
    assert forth == back


def test_vocabularies_come_from_training_alone(toy: type[PairProblem]) -> None:
    toy.num_subwords = None
    encoder = pair_problem("toy_pairs").encoders().source
    assert encoder.decode(encoder.encode("go 7")) == "go 7"
    with pytest.raises(ValueError, match="'come' is no word of this vocabulary"):
        encoder.encode("come here")


def test_pairs_are_conversations_for_the_omni_model(toy: type[PairProblem]) -> None:
    mixture = Mixture(WorldMix.only(pairs=PairsProblem.Config(problem="toy_pairs_rev")))
    example = mixture.example("train", 3)
    (question,), (answer,) = (message.parts for message in example.messages)
    assert question.text == f"Turn back: {answer.text.replace('go', 'allez')}"
    assert {mixture.example("new", index).answer for index in range(2)} == {"come here", "wait"}
    seen = [mixture.example("train", index).answer for index in range(60)]
    assert sorted(seen[:30]) == sorted(seen[30:]) and seen[:30] != seen[30:]
    with pytest.raises(ValueError, match="has no split 'composed'"):
        mixture.example("composed", 0, "toy_pairs_rev.pair")
    limited = PairsProblem(PairsProblem.Config(problem="toy_pairs", max_letters=3))
    with pytest.raises(ValueError, match="no pair of toy_pairs, train, has at most 3 letters"):
        limited.example("train", 0)


def test_wrong_names_splits_and_empty_ones_are_refused(toy: type[PairProblem]) -> None:
    with pytest.raises(ValueError, match="did you mean 'toy_pairs'"):
        pair_problem("toy_pair")
    with pytest.raises(ValueError, match="sums is a problem of conversations, not of pairs"):
        pair_problem("sums")
    with pytest.raises(ValueError, match="split must be one of train, dev, test, got 'new'"):
        pair_problem("toy_pairs").pairs("new")  # type: ignore[arg-type]
    toy.given = {**PAIRS, "dev": []}
    with pytest.raises(ValueError, match="toy_pairs has no pairs in its dev split"):
        pair_problem("toy_pairs").pairs("dev")
    toy.given = {**PAIRS, "dev": [TextPair("one", " ")]}
    with pytest.raises(ValueError, match=r"pair 0 of toy_pairs, dev, must have two texts .* got \('one', ' '\)"):
        pair_problem("toy_pairs").pairs("dev")


TEXTS = st.text(st.sampled_from("ab B"), min_size=1, max_size=4).filter(str.strip)
SPLITS = st.fixed_dictionaries({split: st.lists(st.builds(TextPair, TEXTS, TEXTS)) for split in PAIR_SPLITS})


@settings(max_examples=60, deadline=None)
@given(SPLITS)
def test_no_side_of_what_is_held_out_was_seen_before(splits: dict[str, list[TextPair]]) -> None:
    kept = unshared(splits)
    seen: set[str] = set()
    for split in PAIR_SPLITS:
        sides = [" ".join(side.casefold().split()) for pair in kept[split] for side in pair]
        assert not seen & set(sides)
        seen |= set(sides)
        assert len(set(kept[split])) == len(kept[split])
    folded = [tuple(" ".join(side.casefold().split()) for side in pair) for pair in splits["train"]]
    assert len(kept["train"]) == len(set(folded))


@settings(max_examples=50, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_subwords_give_any_text_back(text: str) -> None:
    encoder = SUBWORDS
    ids = encoder.encode(text)
    assert ids[-1] == 1 and encoder.decode([*ids, 5, 0]) == encoder.decode(ids) == text
    assert all(2 <= number < encoder.num_ids for number in ids[:-1])


SUBWORDS = learn_subwords([side for pair in PAIRS["train"] for side in pair], num_ids=300)


def test_encoders_are_json_and_back() -> None:
    tokens = TokenEncoder.of_texts(["b a", "c"])
    assert tokens.words == ("a", "b", "c") and tokens.encode("c a") == [4, 2, 1]
    shared = PairEncoders.from_json(PairEncoders(source=SUBWORDS, target=SUBWORDS).to_json())
    assert shared.is_shared and shared.source.encode("allez 3") == SUBWORDS.encode("allez 3")
    markup = Markup(pattern="<[^>]*>", sign="@")
    apart = PairEncoders.from_json(PairEncoders(source=tokens, target=SUBWORDS, markup=markup).to_json())
    assert apart.markup == markup and shared.markup is None
    assert not apart.is_shared and apart.source.encode("b") == [3, 1] and apart.target.num_ids == SUBWORDS.num_ids
    for data in ({}, {"target": {"kind": "runes"}}, {"target": {"kind": "subwords", "tokenizer": {"version": "1.0"}}}):
        with pytest.raises(ValueError, match="copy the folder again"):
            PairEncoders.from_json(data)
    with pytest.raises(ValueError, match="ids must be between 0 and 4, got 5"):
        tokens.decode([2, 5])
    with pytest.raises(ValueError, match="a vocabulary needs words"):
        TokenEncoder(["a", "a"])


def test_markup_goes_round_the_model() -> None:
    markup = Markup(pattern="<[^>]*>", sign="@")
    text, pieces = markup.taken_out("see <a> or <b@>")
    assert (text, pieces) == ("see @ or @", ["<a>", "<b@>"])
    assert markup.put_back(text, pieces) == "see <a> or <b@>"
    assert markup.put_back("@ @ @", pieces) == "<a> <b@> @" and markup.put_back("none", pieces) == "none"


def test_bleu_is_that_of_sacrebleu_with_its_signature() -> None:
    from sacrebleu import corpus_bleu

    answers, references = ["the cat sat on a mat", "it ran away"], ["the cat sat on the mat", "it ran away fast"]
    score = pair_metrics.get("bleu")(answers, references)
    assert score.value == corpus_bleu(answers, [references]).score
    assert score.signature.startswith("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:")
    assert score.signature in str(score)
    assert pair_metrics.get("exact_match")(answers, [answers[0], "no"]).value == 50
    with pytest.raises(ValueError, match="as many answers as references"):
        pair_metrics.get("bleu")(answers, [])
