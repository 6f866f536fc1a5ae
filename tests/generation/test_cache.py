"""Memory for keys and values: counted, bounded, and given back when it is not needed any more."""

from __future__ import annotations

import gc
import threading

import pytest
import torch

from omniloom import Omni
from omniloom.generation import OutOfCache
from omniloom.generation.cache import BLOCK, CacheBudget, RowCache, position_bytes
from omniloom.generation.conversation import finished
from omniloom.generation.steps import PagedMemory, PagedRow
from tests.generation.untrained import LIMITS, untrained_codecs, untrained_model

CONFIG = untrained_model(context=300).config
BLOCK_BYTES = BLOCK * position_bytes(CONFIG)


def small_omni(num_blocks: int) -> Omni:
    return Omni(untrained_model(context=300), untrained_codecs(), limits=LIMITS, cache_bytes=num_blocks * BLOCK_BYTES)


@pytest.fixture(params=["native", "paged"])
def new_cache(request):
    def new(budget: CacheBudget):
        if request.param == "native":
            return RowCache(CONFIG, budget)
        return PagedRow(PagedMemory(CONFIG, budget, torch.device("cpu")))

    return new


def test_a_row_takes_blocks_and_gives_them_back(new_cache):
    budget = CacheBudget(10 * BLOCK_BYTES)
    cache = new_cache(budget)
    assert budget.used_bytes == 0
    for num_positions, num_blocks in ((1, 1), (BLOCK, 1), (BLOCK + 1, 2), (3 * BLOCK, 3)):
        cache.reserve(num_positions)
        assert budget.used_bytes == num_blocks * BLOCK_BYTES
    cache.release(BLOCK + 1)
    assert budget.used_bytes == 2 * BLOCK_BYTES and cache.capacity == 2 * BLOCK
    cache.reserve(2 * BLOCK + 1)
    assert budget.used_bytes == 3 * BLOCK_BYTES
    del cache
    gc.collect()
    assert budget.used_bytes == 0


def test_what_a_row_forgets_goes_back_to_the_system():
    cache = RowCache(CONFIG, CacheBudget(10 * BLOCK_BYTES))
    cache.reserve(4 * BLOCK)
    cache.row.keys.fill_(1.0)
    cache.release(BLOCK)
    # A page that was given back is all zeros when it is touched again.
    assert bool((cache.row.keys[:, :, :BLOCK] == 1).all())
    assert not cache.row.keys[:, :, 2 * BLOCK : 4 * BLOCK].any()


def test_blocks_of_ended_rows_are_used_again():
    memory = PagedMemory(CONFIG, CacheBudget(10 * BLOCK_BYTES), torch.device("cpu"))
    for _ in range(5):
        rows = [PagedRow(memory) for _ in range(3)]
        for row in rows:
            row.reserve(2 * BLOCK)
        memory.grow()
        assert memory.blocks.shape[2] <= 8
        assert len({block for row in rows for block in row.blocks} - {0}) == 6
        del rows, row


def test_the_budget_counts_right_from_many_threads():
    budget = CacheBudget(10**9)

    def take_and_give():
        for _ in range(2000):
            budget.take(7)
            budget.give(7)

    threads = [threading.Thread(target=take_and_give) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert budget.used_bytes == 0


def test_a_conversation_that_finds_no_memory_is_told_so_and_goes_on_when_there_is_some():
    omni = small_omni(3)
    first, second = omni.conversation(), omni.conversation()
    first.add("a" * 100)
    with pytest.raises(OutOfCache, match=r"end a conversation, try again later, or load the model with larger cache_b"):
        second.add("b" * 100)
    assert second.num_tokens == 0 and second.history == ()
    second.add("say")
    assert finished(second.reply("text")).text
    del first
    second.add("b" * 60)
    assert second.num_tokens > 60


def test_a_reply_that_runs_out_of_memory_leaves_a_conversation_that_can_go_on():
    omni = small_omni(2)
    first, second = omni.conversation(), omni.conversation()
    first.add("say")
    second.add("a" * 40)
    with pytest.raises(OutOfCache):
        list(second.reply("image", max_tokens=300))
    del first
    second.add("say")
    assert finished(second.reply("text")).text


def test_idle_conversations_are_small():
    omni = small_omni(1000)
    conversations = [omni.conversation() for _ in range(50)]
    assert omni.stats().cache_bytes == 0
    for conversation in conversations:
        conversation.add("say")
    assert omni.stats().cache_bytes == 50 * BLOCK_BYTES
    del conversation, conversations
    gc.collect()
    assert omni.stats().cache_bytes == 0


def test_a_cancelled_reply_gives_its_memory_back():
    omni = small_omni(20)
    conversation = omni.conversation()
    conversation.add("say")
    before = omni.stats().cache_bytes
    events = conversation.reply("audio", max_tokens=250)
    while conversation.num_tokens <= BLOCK:
        next(events)
    assert omni.stats().cache_bytes > before
    events.close()
    conversation.restate(())
    assert omni.stats().cache_bytes <= before


def test_a_batch_waits_for_memory_and_replies_as_it_would_with_more():
    prompts = ["say", "big", "red circle", "what is this?", "seven"]
    wanted = [reply.ids for reply in small_omni(100).reply_batch(prompts, "audio", max_tokens=100)]
    omni = small_omni(4)
    assert [reply.ids for reply in omni.reply_batch(prompts, "audio", max_tokens=100)] == wanted
    gc.collect()
    assert omni.stats().cache_bytes == 0
    with pytest.raises(OutOfCache):
        small_omni(1).reply_batch(prompts, "audio", max_tokens=100)


def test_a_budget_of_nothing_is_refused():
    with pytest.raises(ValueError, match="cache_bytes must be at least 1, got 0"):
        CacheBudget(0)
