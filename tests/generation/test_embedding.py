"""Vectors: alone equals together, and what is about the same thing is near."""

import itertools

import pytest
import torch

from omniloom import Omni, Text
from omniloom.data.problems.wording import SCENE_WORDINGS
from omniloom.data.scenes import COLOURS, SHAPES, Scene, SceneObject, render
from omniloom.generation.embedding import BATCH_POSITIONS
from tests.generation.untrained import picture, sound, untrained_omni, video

OMNI = untrained_omni(is_folded=True)
PLAIN = untrained_omni()
INPUTS = ["say", Text("big red circle"), sound(0.7), picture(), ["what is this?", picture(1)], "a" * 40, video()]


@pytest.mark.parametrize("omni", [OMNI, PLAIN], ids=["folded", "plain"])
def test_alone_equals_together(omni):
    together = omni.embed(INPUTS)
    alone = torch.cat([omni.embed([item]) for item in INPUTS])
    # Products of matrices of another height round differently.
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)
    torch.testing.assert_close(together.norm(dim=-1), torch.ones(len(INPUTS)))
    assert together.shape == (len(INPUTS), omni.model.config.width)


def test_more_than_go_through_the_model_at_once():
    texts = ["a" * (1 + place % 60) for place in range(3 * BATCH_POSITIONS // 60)]
    together = OMNI.embed(texts)
    torch.testing.assert_close(together[:60], together[60:120], rtol=0, atol=1e-5)
    torch.testing.assert_close(together[7], OMNI.embed([texts[7]])[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("given", "fault"),
    [("", "at least one visible character"), ([], "at least one part"), ("a" * 600, "input 1 holds 600 tokens")],
)
def test_what_cannot_be_embedded_is_named(given, fault):
    with pytest.raises(ValueError, match=fault):
        OMNI.embed(["say", given])
    assert OMNI.embed([]).shape == (0, OMNI.model.config.width)


def test_states_after_all_blocks_are_those_of_the_model():
    ids = torch.randint(32, 200, (2, 9), generator=torch.Generator().manual_seed(1))
    slots = torch.zeros_like(ids)
    model = OMNI.model
    torch.testing.assert_close(
        model.states_after(model.config.depth, ids, slots), model(ids, slots).last, rtol=0, atol=0
    )


def share_found(queries, candidates):
    """How often the nearest candidate is the one with the same number; candidates may repeat all numbers."""
    num_things = len(COLOURS) * len(SHAPES)
    nearest = (queries @ candidates.T).argmax(1) % num_things
    return float((nearest == torch.arange(len(queries)) % num_things).double().mean())


def test_sentences_and_pictures_find_what_is_about_the_same_thing():
    """Of 80 coloured shapes; chance is 1 in 80. The floors are well below what the benchmark finds."""
    tiny = Omni.load("tiny")
    things = [
        SceneObject(colour=colour, shape=shape, size="big", position="top left")
        for colour, shape in itertools.product(COLOURS, SHAPES)
    ]

    def told(language, template):
        wording = SCENE_WORDINGS[language]
        return [template.format(scene=wording.noun(item, size="", place="")) for item in things]

    english = tiny.embed(told("en", "draw {scene}"))
    others = torch.cat([tiny.embed(told("en", own)) for own in ("there is {scene}", "i want to see {scene}")])
    shown = tiny.embed([render(Scene((item,))) for item in things])
    generator = torch.Generator().manual_seed(0)
    random = torch.nn.functional.normalize(torch.randn(english.shape, generator=generator), dim=-1)
    assert share_found(random, others) < 0.1
    assert share_found(english, others) > 0.9
    assert share_found(tiny.embed(told("fr", "dessine {scene}")), english) > 0.6
    assert share_found(shown, others) > 0.6


def test_what_is_embedded_is_told_as_usage(monkeypatch):
    told = []
    monkeypatch.setattr(OMNI._engine, "on_usage", told.append)
    OMNI.embed(["abc", Text("de")])
    assert [(usage.prompt.text, usage.reply_tokens) for usage in told] == [(5, 0)]
