"""The native decode step equals its torch reference, for every instruction set this machine has."""

from __future__ import annotations

import pytest
import torch

from omniloom.kernels import DecoderWeights, DecodeStep, LayerWeights, instruction_sets

CONTEXT = 40


def random_weights(*, width: int, num_heads: int, num_kv_heads: int, head_width: int, hidden: int, is_narrow: bool):
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
    )


SHAPES = [
    dict(width=64, num_heads=4, num_kv_heads=2, head_width=16, hidden=176),
    dict(width=50, num_heads=3, num_kv_heads=1, head_width=10, hidden=77),  # nothing fills whole vectors
    dict(width=128, num_heads=2, num_kv_heads=2, head_width=64, hidden=96),
]


def empty_cache(w: DecoderWeights, *, num_rows: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    keys = torch.zeros(len(w.layers), num_rows, w.num_kv_heads, CONTEXT, w.head_width)
    return keys, torch.zeros_like(keys)


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
            rows=[0] * len(places),
            keys=keys,
            values=values,
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
            rows=[row + 1 for row in active],
            keys=keys,
            values=values,
        )
        for row, mine in zip(active, logits, strict=True):
            assert torch.equal(mine, run(step, prompts[row])[0][i])
    assert not keys[:, [0, 5]].any() and not values[:, [0, 5]].any()


def test_only_the_last_logits_may_be_asked(isa):
    step = DecodeStep(random_weights(**SHAPES[0], is_narrow=True), context=CONTEXT)
    keys, values = empty_cache(step.weights)
    where = dict(tokens=[1, 2, 3], slots=[0, 1, 2], positions=[0, 1, 2], rows=[0, 0, 0], keys=keys, values=values)
    some = step(step.scratch(), **where, num_logits=2)
    assert torch.equal(some, run(step, [1, 2, 3])[0][1:])


def given(step: DecodeStep, inputs: torch.Tensor | None, *, piece: int) -> torch.Tensor:
    """All logits of as many tokens as there are inputs, with `piece` of them a call."""
    keys, values = empty_cache(step.weights)
    scratch, found = step.scratch(), []
    for start in range(0, len(inputs), piece):
        places = range(start, min(start + piece, len(inputs)))
        where = dict(tokens=[7] * len(places), slots=[i % 9 for i in places], positions=places, rows=[0] * len(places))
        found.append(
            step(scratch, **where, keys=keys, values=values, inputs=inputs[places.start : places.stop]).clone()
        )
    return torch.cat(found)


def test_given_vectors_stand_for_the_tokens_rows(isa, monkeypatch):
    weights = random_weights(**SHAPES[1], is_narrow=False)
    step = DecodeStep(weights, context=CONTEXT)
    inputs = torch.randn(12, 50, generator=torch.Generator().manual_seed(5)) * 0.1
    got = given(step, inputs, piece=5)
    want = given(reference_of(weights, monkeypatch), inputs, piece=1)
    torch.testing.assert_close(got, want, rtol=0, atol=1e-5 * float(want.abs().max()))
    assert torch.equal(got, given(step, inputs, piece=1))
    assert not torch.allclose(got, run(step, [7] * 12)[0], atol=0.01)


def test_the_tables_own_rows_given_change_nothing_to_the_bit(isa):
    step = DecodeStep(random_weights(**SHAPES[0], is_narrow=True), context=CONTEXT)
    assert torch.equal(given(step, step.weights.table[[7] * 12], piece=4), run(step, [7] * 12)[0])


def test_a_call_without_inputs_forgets_those_of_the_call_before(isa):
    step = DecodeStep(random_weights(**SHAPES[0], is_narrow=True), context=CONTEXT)
    keys, values = empty_cache(step.weights)
    scratch, where = step.scratch(), dict(tokens=[3], slots=[0], positions=[0], rows=[0], keys=keys, values=values)
    step(scratch, **where, inputs=torch.ones(1, 64))
    assert torch.equal(step(scratch, **where), run(step, [3])[0])


def test_inputs_of_another_shape_are_refused():
    step = DecodeStep(random_weights(**SHAPES[0], is_narrow=False), context=CONTEXT)
    keys, values = empty_cache(step.weights)
    where = dict(tokens=[3], slots=[0], positions=[0], rows=[0], keys=keys, values=values)
    for inputs in (torch.ones(2, 64), torch.ones(1, 63), torch.ones(1, 64, dtype=torch.float64), torch.ones(64, 1).mT):
        if inputs.shape == (1, 64) and inputs.dtype == torch.float32:
            step(step.scratch(), **where, inputs=inputs.contiguous())
            continue
        with pytest.raises(ValueError, match=r"inputs must be float32 of shape \(1, 64\)"):
            step(step.scratch(), **where, inputs=inputs)


@pytest.mark.parametrize(
    ("field", "value"), [("token", 301), ("slot", 9), ("position", CONTEXT), ("token", -1), ("row", 1)]
)
def test_out_of_range_is_refused(field, value):
    step = DecodeStep(random_weights(**SHAPES[0], is_narrow=False), context=CONTEXT)
    keys, values = empty_cache(step.weights)
    where = {"tokens": [0], "slots": [0], "positions": [0], "rows": [0]} | {f"{field}s": [value]}
    with pytest.raises(ValueError, match=f"{field} must be from 0 to"):
        step(step.scratch(), **where, keys=keys, values=values)


def test_unknown_instruction_set_names_those_there_are(monkeypatch):
    monkeypatch.setenv("OMNILOOM_ISA", "mmx")
    with pytest.raises(ValueError, match=r"OMNILOOM_ISA=mmx is not offered here; use one of .*portable"):
        DecodeStep(random_weights(**SHAPES[0], is_narrow=False), context=CONTEXT)
