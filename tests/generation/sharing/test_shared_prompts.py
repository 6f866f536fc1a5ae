"""What prompts begin with alike is computed once, and nothing else changes."""

from __future__ import annotations

import itertools

import pytest

from omniloom import Omni, Sampling
from omniloom.generation import TextRules
from omniloom.generation.cache import BLOCK, position_bytes
from omniloom.generation.sharing import Beginning, beginnings_of
from tests.generation.untrained import LIMITS, picture, untrained_omni

OMNI = untrained_omni()
FOLDED = untrained_omni(is_folded=True)
SHOWN = "red is rot, blue is blau, green is "
"""What several prompts begin with."""
SAMPLED = Sampling(temperature=1.0, top_p=0.95)


def computed(omni: Omni, prompts: list, **options: object) -> tuple[list, int]:
    before = omni.num_computed
    replies = omni.reply_batch(prompts, **options)
    return [reply.ids for reply in replies], omni.num_computed - before


@pytest.mark.parametrize("omni", [OMNI, FOLDED])
@pytest.mark.parametrize(("want", "rules"), [("text", TextRules(stop=("a",), num_logprobs=2)), ("audio", None)])
@pytest.mark.parametrize("sampling", [Sampling(), SAMPLED], ids=["greedy", "sampled"])
def test_samples_and_items_equal_those_alone(omni, want, rules, sampling):
    shown = [[SHOWN, picture()], [SHOWN, picture(2)], SHOWN + "hm", SHOWN, "another"]
    prompts = [prompt for prompt in shown for _ in range(3)]
    options = dict(want=want, sampling=sampling, rules=rules, max_tokens=20)
    together = omni.reply_batch(prompts, seed=range(len(prompts)), batch_rows=4, **options)
    for seed, (prompt, reply) in enumerate(zip(prompts, together, strict=True)):
        alone = omni.reply(prompt, seed=seed, **options)
        assert reply.ids == alone.ids
        assert reply.logprobs == alone.logprobs
        assert reply.usage == alone.usage


def test_a_prompt_is_computed_once_for_all_of_its_samples():
    options = dict(sampling=SAMPLED, max_tokens=5)
    (one,), alone = computed(OMNI, [SHOWN], seed=[3], **options)
    found, together = computed(OMNI, [SHOWN] * 16, seed=[3] * 16, **options)
    assert found == [one] * 16
    num_prompt = OMNI.reply(SHOWN, max_tokens=1).usage.prompt_tokens
    # Each sample feeds the prompt's last position itself, for the scores after it.
    assert together == num_prompt - 1 + 16 * (alone - num_prompt + 1)


def test_equals_torch_which_shares_nothing(monkeypatch):
    prompts = [SHOWN + end for end in ("x", "y", "zz")] * 2
    native, num_native = computed(OMNI, prompts, max_tokens=20)
    monkeypatch.setenv("OMNILOOM_ISA", "reference")
    through_torch = Omni(OMNI.model, OMNI.codecs, limits=LIMITS)
    assert through_torch.instruction_set == "reference"
    found, num_computed = computed(through_torch, prompts, max_tokens=20)
    assert found == native
    assert num_native < num_computed


def test_where_memory_is_short_nothing_fails_and_all_is_given_back():
    prompts = [SHOWN * 2 + end for end in ("x", "y", "zz", "zz")] * 3
    expected = [reply.ids for reply in OMNI.reply_batch(prompts, max_tokens=10)]
    num_blocks = -(-(OMNI.reply(prompts[-1], max_tokens=1).usage.prompt_tokens + 11) // BLOCK)
    for num_rows in (1, 2, 3, 5):
        room = num_rows * num_blocks * BLOCK * position_bytes(OMNI.model.config)
        narrow = Omni(OMNI.model, OMNI.codecs, limits=LIMITS, cache_bytes=room)
        assert [reply.ids for reply in narrow.reply_batch(prompts, max_tokens=10)] == expected
        assert narrow.stats().cache_bytes == 0


def saved(prompts: list[list[int]], found: list[Beginning | None]) -> int:
    """Ids that need not be computed."""
    used = {own for own in found if own is not None}
    used |= {own.parent for own in used if own.parent is not None}
    computed_once = sum(len(own.ids) - (len(own.parent.ids) if own.parent else 0) for own in used)
    return sum(len(own.ids) for own in found if own is not None) - computed_once


def test_beginnings_are_found_wherever_they_stand():
    common, first, second = list(range(100)), list(range(200, 250)), list(range(300, 350))
    prompts = [[*common, *own, last] for last, own in itertools.product(range(3), (first, second))]
    found = beginnings_of([*prompts, [7, 7]])
    assert found[-1] is None
    assert [len(own.ids) for own in found[:-1]] == [150] * 6
    assert len({id(own) for own in found[:-1]}) == 2
    assert {len(own.parent.ids) for own in found[:-1]} == {100}
    assert [own.num_users for own in found[:-1]] == [3] * 6
    assert found[0].parent is found[1].parent and found[0].parent.num_users == 2
    assert saved(prompts, found[:-1]) == 5 * 100 + 2 * 2 * 50


def test_each_prompt_keeps_an_id_of_its_own_and_little_is_not_shared():
    same = list(range(60))
    assert [len(own.ids) for own in beginnings_of([same, same, [*same, 1]])] == [59] * 3
    assert beginnings_of([[1, 2, 3, own] for own in range(5)]) == [None] * 5
    assert beginnings_of([same]) == [None]
    assert beginnings_of([]) == []
