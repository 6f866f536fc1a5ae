"""Batched equals alone: the same tokens whatever stands in the rows beside."""

import pytest

from omniloom import Omni, Sampling
from omniloom.generation import TokenChoice
from tests.generation.untrained import LIMITS, picture, sound, untrained_omni

OMNI = untrained_omni()
PROMPTS = ["say", ["what is this?", picture()], sound(0.5), ["a", sound(0.1), "b", picture(2)], "big red circle" * 5]


@pytest.mark.parametrize("want", ["text", "audio", "image", ("audio", "image")])
@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(),
        Sampling(temperature=1.0, top_k=50, top_p=0.95),
        Sampling(temperature=0.8, image_guidance=1.5, audio=TokenChoice()),
    ],
    ids=["greedy", "sampled", "guided"],
)
def test_batched_equals_alone(want, sampling):
    options = dict(sampling=sampling, max_tokens=130)
    seeds = [7, 8, 9, 10, 11]
    together = OMNI.reply_batch(PROMPTS, want, seed=seeds, batch_rows=3, **options)
    for prompt, seed, reply in zip(PROMPTS, seeds, together, strict=True):
        alone = OMNI.reply(prompt, want, seed=seed, **options)
        assert reply.ids == alone.ids
        assert reply.finish_reason == alone.finish_reason
        assert reply.usage.prompt_tokens == alone.usage.prompt_tokens


@pytest.mark.parametrize("want", ["text", "audio", "image"])
def test_torch_equals_native(want, monkeypatch):
    native = OMNI.reply_batch(PROMPTS, want, max_tokens=130, batch_rows=3)
    monkeypatch.setenv("OMNILOOM_ISA", "reference")
    through_torch = Omni(OMNI.model, OMNI.codecs, limits=LIMITS)
    assert through_torch.instruction_set == "reference"
    replies = through_torch.reply_batch(PROMPTS, want, max_tokens=130, batch_rows=3)
    assert [reply.ids for reply in replies] == [reply.ids for reply in native]


def test_a_want_for_each_row():
    wants = [frozenset({want}) for want in ("text", "audio", "image", "audio", "text")]
    together = OMNI.reply_batch(PROMPTS, wants, max_tokens=60)
    assert [reply.ids for reply in together] == [
        OMNI.reply(prompt, want, max_tokens=60).ids for prompt, want in zip(PROMPTS, wants, strict=True)
    ]


def test_rows_stop_at_the_context():
    omni = untrained_omni(context=40)
    prompts = ["say", "a" * 25]
    together = omni.reply_batch(prompts, "text", sampling=Sampling(temperature=5.0))
    assert [r.ids for r in together] == [omni.reply(p, "text", sampling=Sampling(temperature=5.0)).ids for p in prompts]


def test_guidance_changes_pictures_and_nothing_else():
    plain, guided = (
        OMNI.reply("say", "image", sampling=Sampling(temperature=1.0, image_guidance=g), seed=1) for g in (0.0, 3.0)
    )
    assert plain.text == guided.text
    assert plain.ids != guided.ids


def test_nothing_asked_nothing_answered():
    assert OMNI.reply_batch([]) == []


def test_wants_must_be_as_many_as_prompts():
    with pytest.raises(ValueError, match="5 prompts need 5 wants, got 2"):
        OMNI.reply_batch(PROMPTS, [frozenset({"text"})] * 2)
