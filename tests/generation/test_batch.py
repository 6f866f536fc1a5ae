"""Batched equals alone: the same tokens whatever stands in the rows beside."""

import copy
from itertools import product

import pytest

from omniloom import Message, Omni, Sampling, Text
from omniloom.generation import TokenChoice
from omniloom.generation.conversation import finished
from omniloom.kernels import has_rounding_step
from omniloom.models import OmniModel
from tests.generation.untrained import LIMITS, picture, sound, untrained_omni, video

OMNI = untrained_omni()
FOLDED = untrained_omni(is_folded=True)
PROMPTS = ["say", ["what is this?", picture()], sound(0.5), ["a", sound(0.1), "b", picture(2)], "big red circle" * 5]
TOLD = [
    Message("user", (picture(3), Text("what is this?"))),
    Message("assistant", (Text("say"), sound(0.08))),
    Message("user", (sound(0.2, seed=4),)),
]


@pytest.mark.parametrize(
    ("want", "omni"),
    [("text", OMNI), ("audio", FOLDED), ("image", FOLDED), (("audio", "image"), OMNI), (("audio", "image"), FOLDED)],
)
@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(),
        Sampling(temperature=1.0, top_k=50, top_p=0.95),
        Sampling(audio=TokenChoice(temperature=2.0, min_p=0.01), image=TokenChoice(temperature=1.0)),
        Sampling(temperature=0.8, image_guidance=1.5, audio=TokenChoice()),
    ],
    ids=["greedy", "sampled", "sampled by kind", "guided"],
)
def test_batched_equals_alone(want, sampling, omni):
    options = dict(sampling=sampling, max_tokens=130)
    prompts = [*PROMPTS, ["what?", video(num_frames=3, sound_s=0.5)], TOLD]
    seeds = list(range(7, 7 + len(prompts)))
    together = omni.reply_batch(prompts, want, seed=seeds, batch_rows=3, **options)
    for prompt, seed, reply in zip(prompts, seeds, together, strict=True):
        alone = omni.reply(prompt, want, seed=seed, **options)
        assert reply.ids == alone.ids
        assert reply.finish_reason == alone.finish_reason
        assert reply.usage.prompt_tokens == alone.usage.prompt_tokens


@pytest.mark.parametrize(("want", "omni"), [("text", FOLDED), ("audio", OMNI), ("audio", FOLDED), ("image", FOLDED)])
def test_torch_equals_native(want, omni, monkeypatch):
    native = omni.reply_batch(PROMPTS, want, max_tokens=130, batch_rows=3)
    monkeypatch.setenv("OMNILOOM_ISA", "reference")
    through_torch = Omni(omni.model, omni.codecs, limits=LIMITS)
    assert through_torch.instruction_set == "reference"
    replies = through_torch.reply_batch(PROMPTS, want, max_tokens=130, batch_rows=3)
    assert [reply.ids for reply in replies] == [reply.ids for reply in native]


def narrow_model() -> OmniModel:
    """With weights as a checkpoint stores them: in bfloat16."""
    model = copy.deepcopy(FOLDED.model)
    for parameter in model.parameters():
        parameter.data = parameter.data.bfloat16().float()
    return model


@pytest.mark.skipif(not has_rounding_step(), reason="this processor does not multiply bfloat16")
@pytest.mark.parametrize("want", ["text", "audio", "image"])
def test_batched_equals_alone_in_bfloat16(want):
    rounding = Omni(narrow_model(), FOLDED.codecs, limits=LIMITS, precision="bfloat16")
    together = rounding.reply_batch(PROMPTS, want, max_tokens=130, batch_rows=3)
    assert [reply.ids for reply in together] == [rounding.reply(prompt, want, max_tokens=130).ids for prompt in PROMPTS]


def test_steps_take_at_most_so_many_threads():
    one, two = (Omni(FOLDED.model, FOLDED.codecs, limits=LIMITS, num_threads=number) for number in (1, 2))
    found = [omni.reply_batch(PROMPTS, "audio", max_tokens=60) for omni in (one, two)]
    assert [reply.ids for reply in found[0]] == [reply.ids for reply in found[1]]
    with pytest.raises(ValueError, match="num_threads must be at least 1, or None for all cores, got 0"):
        Omni(FOLDED.model, FOLDED.codecs, num_threads=0)


def test_torch_answers_in_bfloat16(monkeypatch):
    monkeypatch.setenv("OMNILOOM_ISA", "reference")
    through_torch = Omni(narrow_model(), FOLDED.codecs, limits=LIMITS, precision="bfloat16")
    together = through_torch.reply_batch(PROMPTS, "audio", max_tokens=130, batch_rows=3)
    assert all(reply.audio is not None for reply in together)


def test_a_precision_that_cannot_be_had_is_refused(monkeypatch):
    with pytest.raises(ValueError, match="precision must be one of float32, bfloat16, auto, got 'half'"):
        Omni(FOLDED.model, FOLDED.codecs, precision="half")
    assert Omni(FOLDED.model, FOLDED.codecs, precision="auto").precision == ("float32", "bfloat16")[has_rounding_step()]
    monkeypatch.setenv("OMNILOOM_ISA", "portable")
    with pytest.raises(ValueError, match="this processor does not multiply bfloat16"):
        Omni(FOLDED.model, FOLDED.codecs, precision="bfloat16")
    assert Omni(FOLDED.model, FOLDED.codecs, precision="auto").precision == "float32"


def test_folded_prompts_take_few_positions():
    """<bos> <user> <image>, its paper and 16 blocks, <want_text> <assistant>, where each code has a position 81."""
    for omni, num_positions in ((OMNI, 86), (FOLDED, 22)):
        (reply,) = omni.reply_batch([picture()], "text", max_tokens=1)
        assert reply.usage.prompt_tokens == num_positions


def test_a_history_of_turns_is_a_prompt_too():
    conversation = FOLDED.conversation(TOLD[:-1])
    conversation.add(TOLD[-1].parts)
    (reply,) = FOLDED.reply_batch([TOLD], "audio", max_tokens=30)
    assert reply.ids == finished(conversation.reply("audio", max_tokens=30)).ids
    with pytest.raises(ValueError, match="end the prompt with the user's turn"):
        FOLDED.reply_batch([TOLD[:-1]])


def test_a_want_for_each_row():
    wants = [frozenset({want}) for want in ("text", "audio", "image", "audio", "text")]
    for omni, sampling in product((OMNI, FOLDED), (Sampling(), Sampling(temperature=1.5, image_guidance=1.0))):
        options = dict(sampling=sampling, max_tokens=60)
        together = omni.reply_batch(PROMPTS, wants, **options)
        assert [reply.ids for reply in together] == [
            omni.reply(prompt, want, **options).ids for prompt, want in zip(PROMPTS, wants, strict=True)
        ]


def test_another_seed_another_reply():
    options = dict(want="audio", sampling=Sampling(temperature=1.0), max_tokens=40)
    replies = FOLDED.reply_batch(["say"] * 4, seed=[1, 2, 1, 3], **options)
    assert replies[0].ids == replies[2].ids
    assert len({reply.ids for reply in replies}) == 3


@pytest.mark.parametrize(("is_folded", "want"), [(False, "text"), (True, "text"), (True, "audio")])
def test_rows_stop_at_the_context(is_folded, want):
    """The longest prompts leave the least room; their rows wait for the others and go no further."""
    omni = untrained_omni(context=40, is_folded=is_folded)
    prompts = ["say", "a" * 25, "a" * 20, "b" * 22]
    options = dict(sampling=Sampling(temperature=5.0), max_tokens=200)
    together = omni.reply_batch(prompts, want, **options)
    assert [r.ids for r in together] == [omni.reply(p, want, **options).ids for p in prompts]
    assert any(r.finish_reason == "length" for r in together) == (want == "audio")


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
