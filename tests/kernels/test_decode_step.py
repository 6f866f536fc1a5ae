"""The native decode step equals its torch reference, for every instruction set this machine has."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from omniloom.kernels import (
    CacheRow,
    DecoderWeights,
    DecodeStep,
    LayerWeights,
    ScoreBlock,
    has_rounding_step,
    instruction_sets,
)

CONTEXT = 40


def random_weights(
    *, width: int, num_heads: int, num_kv_heads: int, head_width: int, hidden: int, is_narrow: bool, num_more: int = 0
) -> DecoderWeights:
    generator = torch.Generator().manual_seed(width + hidden)

    def normal(*shape: int, std: float = 0.1) -> torch.Tensor:
        found = torch.randn(*shape, generator=generator) * std
        return found.bfloat16().float() if is_narrow else found

    layers = tuple(
        LayerWeights(
            attention_norm=1 + normal(width),
            query_key_value=normal((num_heads + 2 * num_kv_heads) * head_width, width),
            attention_out=normal(width, num_heads * head_width),
            feedforward_norm=1 + normal(width),
            gate_value=normal(2 * hidden, width),
            feedforward_out=normal(width, hidden),
        )
        for _ in range(3)
    )
    return DecoderWeights(
        table=normal(301, width),
        output=normal(340, width),
        slots=normal(9, width),
        layers=layers,
        num_heads=num_heads,
        num_kv_heads=num_kv_heads,
        head_width=head_width,
        norm_epsilon=1e-6,
        rotary_base=10_000.0,
        places=normal(width, num_more * width) if num_more else None,
    )


SHAPES = [
    dict(width=64, num_heads=4, num_kv_heads=2, head_width=16, hidden=176),
    dict(width=50, num_heads=3, num_kv_heads=1, head_width=10, hidden=77),  # nothing fills whole vectors
    dict(width=128, num_heads=2, num_kv_heads=2, head_width=64, hidden=96),
]


def empty_cache(w: DecoderWeights, *, num_rows: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    keys = torch.zeros(len(w.layers), num_rows, w.num_kv_heads, CONTEXT, w.head_width)
    return keys, torch.zeros_like(keys)


def row_of(keys: torch.Tensor, values: torch.Tensor, row: int = 0) -> CacheRow:
    return CacheRow(keys[:, row], values[:, row])


def run(step: DecodeStep, ids: list[int], *, piece: int = 1, ranges=None) -> tuple[torch.Tensor, ...]:
    """All logits, keys and values, with `piece` tokens a call."""
    keys, values = empty_cache(step.weights)
    scratch, found = step.scratch(), []
    for start in range(0, len(ids), piece):
        places = range(start, min(start + piece, len(ids)))
        logits = step(
            scratch,
            tokens=[ids[i] for i in places],
            slots=[i % 9 for i in places],
            positions=places,
            caches=[row_of(keys, values)] * len(places),
            ranges=ranges,
        )
        found.append(logits.clone())
    return torch.cat(found), keys, values


@pytest.fixture(params=[*instruction_sets()])
def isa(request, monkeypatch):
    monkeypatch.setenv("OMNILOOM_ISA", request.param)
    return request.param


def reference_of(weights: DecoderWeights, monkeypatch) -> DecodeStep:
    with monkeypatch.context() as patch:
        patch.setenv("OMNILOOM_ISA", "reference")
        return DecodeStep(weights, context=CONTEXT)


@pytest.mark.parametrize("is_narrow", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_native_equals_reference(isa, shape, is_narrow, monkeypatch):
    weights = random_weights(**shape, is_narrow=is_narrow)
    native = DecodeStep(weights, context=CONTEXT)
    assert native.instruction_set == isa
    ids = torch.randint(0, 301, (CONTEXT,), generator=torch.Generator().manual_seed(0)).tolist()
    got, want = run(native, ids), run(reference_of(weights, monkeypatch), ids)
    scale = float(want[0].abs().max())
    for mine, theirs in zip(got, want, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-5 * scale)
    assert torch.equal(got[0].argmax(-1), want[0].argmax(-1))


def test_only_asked_logits_are_computed(isa):
    step = DecodeStep(random_weights(**SHAPES[0], is_narrow=True), context=CONTEXT)
    ids = [3, 1, 4, 1, 5]
    some, whole = run(step, ids, ranges=[(7, 8), (100, 203)])[0], run(step, ids)[0]
    inside = torch.zeros(340, dtype=torch.bool)
    inside[7], inside[100:203] = True, True
    torch.testing.assert_close(some[:, inside], whole[:, inside], rtol=1e-5, atol=1e-5)
    assert bool(torch.isneginf(some[:, ~inside]).all())


@pytest.mark.parametrize("piece", [3, 8, CONTEXT])
def test_many_tokens_at_once_equal_one_by_one_to_the_bit(isa, piece):
    for is_narrow in (False, True):
        step = DecodeStep(random_weights(**SHAPES[1], is_narrow=is_narrow), context=CONTEXT)
        ids = list(range(CONTEXT))
        for mine, theirs in zip(run(step, ids, piece=piece), run(step, ids), strict=True):
            assert torch.equal(mine, theirs)


def test_rows_of_a_batch_equal_each_alone_to_the_bit(isa):
    step = DecodeStep(random_weights(**SHAPES[0], is_narrow=True), context=CONTEXT)
    prompts = [[1, 2, 3, 4, 5, 6], [7], [8, 9, 10], [11, 12, 13, 14]]
    keys, values = empty_cache(step.weights, num_rows=6)
    scratch = step.scratch()
    for i in range(6):
        active = [row for row, prompt in enumerate(prompts) if i < len(prompt)]
        logits = step(
            scratch,
            tokens=[prompts[row][i] for row in active],
            slots=[i] * len(active),
            positions=[i] * len(active),
            caches=[row_of(keys, values, row + 1) for row in active],
        )
        for row, mine in zip(active, logits, strict=True):
            assert torch.equal(mine, run(step, prompts[row])[0][i])
    assert not keys[:, [0, 5]].any() and not values[:, [0, 5]].any()


def test_only_the_last_logits_may_be_asked(isa):
    step = DecodeStep(random_weights(**SHAPES[0], is_narrow=True), context=CONTEXT)
    cache = row_of(*empty_cache(step.weights))
    where = dict(tokens=[1, 2, 3], slots=[0, 1, 2], positions=[0, 1, 2], caches=[cache] * 3)
    some = step(step.scratch(), **where, num_logits=2)
    assert torch.equal(some, run(step, [1, 2, 3])[0][1:])


def beside(step: DecodeStep, more: list[list[int]], *, piece: int) -> torch.Tensor:
    """All logits of as many tokens as there are lists of ids beside them, with `piece` of them a call."""
    cache = row_of(*empty_cache(step.weights))
    scratch, found = step.scratch(), []
    for start in range(0, len(more), piece):
        places = range(start, min(start + piece, len(more)))
        where = dict(tokens=[7] * len(places), slots=[i % 9 for i in places], positions=places)
        own = more[places.start : places.stop]
        found.append(step(scratch, **where, caches=[cache] * len(places), more=own).clone())
    return torch.cat(found)


MORE = [[], [3, 4, 5], [300], [0, 0], [], [9, 8, 7], [1], [2, 300, 0], [], [6], [5, 5, 5], []]


@pytest.mark.parametrize("is_narrow", [False, True])
def test_ids_beside_a_token_equal_the_reference(isa, is_narrow, monkeypatch):
    weights = random_weights(**SHAPES[1], is_narrow=is_narrow, num_more=3)
    step = DecodeStep(weights, context=CONTEXT)
    got = beside(step, MORE, piece=5)
    want = beside(reference_of(weights, monkeypatch), MORE, piece=1)
    torch.testing.assert_close(got, want, rtol=0, atol=1e-5 * float(want.abs().max()))
    assert torch.equal(got, beside(step, MORE, piece=1))
    assert not torch.allclose(got, run(step, [7] * 12)[0], atol=0.01)


def test_tokens_that_stand_alone_take_any_form_of_nothing(isa):
    step = DecodeStep(random_weights(**SHAPES[0], is_narrow=True, num_more=2), context=CONTEXT)
    assert torch.equal(beside(step, [[]] * 12, piece=4), run(step, [7] * 12)[0])


def test_a_call_without_more_forgets_that_of_the_call_before(isa):
    step = DecodeStep(random_weights(**SHAPES[0], is_narrow=True, num_more=2), context=CONTEXT)
    cache = row_of(*empty_cache(step.weights))
    scratch, where = step.scratch(), dict(tokens=[3], slots=[0], positions=[0], caches=[cache])
    step(scratch, **where, more=[[1, 2]])
    assert torch.equal(step(scratch, **where), run(step, [3])[0])


def test_more_than_there_is_room_for_is_refused():
    step = DecodeStep(random_weights(**SHAPES[0], is_narrow=False, num_more=2), context=CONTEXT)
    where = dict(tokens=[3], slots=[0], positions=[0], caches=[row_of(*empty_cache(step.weights))])
    for more in ([[1, 2, 3]], [[1], [2]]):
        with pytest.raises(ValueError, match="more must be at most 2 ids for each of 1 tokens"):
            step(step.scratch(), **where, more=more)
    with pytest.raises(ValueError, match=r"ids in more must be from 0 to 300, got \[1, 301\]"):
        step(step.scratch(), **where, more=[[1, 301]])


def in_blocks(weights: DecoderWeights) -> DecoderWeights:
    """The same shapes with an output made of parts: plain rows, rows with digits, and these again through heads."""
    generator = torch.Generator().manual_seed(1)
    width = weights.table.shape[1]
    normal = lambda *shape: (torch.randn(*shape, generator=generator) * 0.1).bfloat16().float()  # noqa: E731
    plane = ScoreBlock(rows=normal(100, width), digits=normal(14, width), levels=(4, 5, 5))
    blocks = (
        ScoreBlock(rows=normal(65, width)),
        plane,
        ScoreBlock(rows=normal(75, width), digits=normal(8, width) / 3, levels=(3, 5)),
        replace(plane, head=normal(width, width)),
    )
    return replace(weights, blocks=blocks, output=torch.cat([block.whole() for block in blocks]))


@pytest.mark.parametrize("ranges", [None, [(0, 1), (64, 66)], [(30, 340)], [(70, 71), (164, 166), (239, 300)]])
@pytest.mark.parametrize("shape", SHAPES[:2])
def test_scores_by_parts_equal_those_of_the_whole_output(isa, shape, ranges, monkeypatch):
    weights = in_blocks(random_weights(**shape, is_narrow=True))
    step, ids = DecodeStep(weights, context=CONTEXT), list(range(11))
    got = run(step, ids, piece=4, ranges=ranges)[0]
    want = run(reference_of(weights, monkeypatch), ids, ranges=ranges)[0]
    torch.testing.assert_close(got, want, rtol=0, atol=1e-5 * float(want[want.isfinite()].abs().max()))
    assert torch.equal(got, run(step, ids, ranges=ranges)[0])


needs_rounding = pytest.mark.skipif(not has_rounding_step(), reason="this processor does not multiply bfloat16")


def rounding_reference(weights: DecoderWeights, monkeypatch) -> DecodeStep:
    with monkeypatch.context() as patch:
        patch.setenv("OMNILOOM_ISA", "reference")
        return DecodeStep(weights, context=CONTEXT, rounds_inputs=True)


@needs_rounding
@pytest.mark.parametrize("shape", SHAPES)
def test_rounded_inputs_equal_the_reference(shape, monkeypatch):
    weights = in_blocks(random_weights(**shape, is_narrow=True, num_more=3))
    step, ids = DecodeStep(weights, context=CONTEXT, rounds_inputs=True), list(range(1, 12))
    got = run(step, ids, piece=4)[0]
    want = run(rounding_reference(weights, monkeypatch), ids)[0]
    exact = run(DecodeStep(weights, context=CONTEXT), ids)[0]
    scale = float(want.abs().max())
    # A sum that differs in its last bit may round to the next bfloat16, and that is all they may differ by.
    assert float((got - want).abs().max()) < 4e-3 * scale
    assert float((got - want).abs().mean()) < 0.1 * float((exact - want).abs().mean())
    assert torch.equal(beside(step, MORE, piece=5), beside(step, MORE, piece=1))


@needs_rounding
@pytest.mark.parametrize("piece", [3, 8, CONTEXT])
def test_rounded_inputs_are_the_same_at_once_and_one_by_one(piece):
    step = DecodeStep(random_weights(**SHAPES[1], is_narrow=True), context=CONTEXT, rounds_inputs=True)
    ids = list(range(CONTEXT))
    for mine, theirs in zip(run(step, ids, piece=piece), run(step, ids), strict=True):
        assert torch.equal(mine, theirs)


@needs_rounding
def test_only_what_meets_bfloat16_is_rounded():
    weights = random_weights(**SHAPES[0], is_narrow=False)
    rounding, exact = (DecodeStep(weights, context=CONTEXT, rounds_inputs=rounds) for rounds in (True, False))
    for mine, theirs in zip(run(rounding, [1, 2, 3]), run(exact, [1, 2, 3]), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-6, atol=1e-6)


def test_a_processor_that_does_not_round_says_so(monkeypatch):
    monkeypatch.setenv("OMNILOOM_ISA", "portable")
    with pytest.raises(ValueError, match="rounds_inputs needs a processor with AVX512_BF16, here portable serves"):
        DecodeStep(random_weights(**SHAPES[0], is_narrow=True), context=CONTEXT, rounds_inputs=True)


def test_blocks_that_do_not_fit_are_refused(isa):
    weights = in_blocks(random_weights(**SHAPES[0], is_narrow=True))
    with pytest.raises(ValueError, match="the blocks hold 240 scores, the output 340"):
        DecodeStep(replace(weights, blocks=weights.blocks[:3]), context=CONTEXT)
    many = ScoreBlock(rows=torch.zeros(340, 64), digits=torch.zeros(17, 64), levels=(1,) * 17)
    with pytest.raises(ValueError, match="a score has at most 16 digits"):
        DecodeStep(replace(weights, blocks=(many,)), context=CONTEXT)


@pytest.mark.parametrize(("field", "value"), [("token", 301), ("slot", 9), ("position", CONTEXT), ("token", -1)])
def test_out_of_range_is_refused(field, value):
    step = DecodeStep(random_weights(**SHAPES[0], is_narrow=False), context=CONTEXT)
    where = {"tokens": [0], "slots": [0], "positions": [0]} | {f"{field}s": [value]}
    with pytest.raises(ValueError, match=f"{field} must be from 0 to"):
        step(step.scratch(), **where, caches=[row_of(*empty_cache(step.weights))])


def test_a_cache_that_does_not_fit_is_refused():
    step = DecodeStep(random_weights(**SHAPES[0], is_narrow=False), context=CONTEXT)
    where = dict(tokens=[0], slots=[0], positions=[5])
    small = torch.zeros(3, 2, 5, 16)
    with pytest.raises(
        ValueError, match=r"a cache for position 5 must be \(3, 2, at least 6, 16\), got \(3, 2, 5, 16\)"
    ):
        step(step.scratch(), **where, caches=[CacheRow(small, small.clone())])
    for keys in (small.double(), torch.zeros(3, 2, 16, 5).transpose(2, 3)):
        with pytest.raises(ValueError, match="keys and values must be float32 of one shape"):
            CacheRow(keys, small)


def test_rows_may_have_caches_of_different_sizes(isa):
    step = DecodeStep(random_weights(**SHAPES[0], is_narrow=True), context=CONTEXT)
    caches = [CacheRow(torch.zeros(3, 2, room, 16), torch.zeros(3, 2, room, 16)) for room in (5, CONTEXT, 9)]
    scratch = step.scratch()
    for i in range(5):
        where = dict(tokens=[i, i + 1, i + 2], slots=[i] * 3, positions=[i] * 3)
        found = step(scratch, **where, caches=caches)
    for first, mine in enumerate(found):
        assert torch.equal(mine, run(step, list(range(first, first + 5)))[0][-1])


def test_unknown_instruction_set_names_those_there_are(monkeypatch):
    monkeypatch.setenv("OMNILOOM_ISA", "mmx")
    with pytest.raises(ValueError, match=r"OMNILOOM_ISA=mmx is not offered here; use one of .*portable"):
        DecodeStep(random_weights(**SHAPES[0], is_narrow=False), context=CONTEXT)
