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


def run(step: DecodeStep, ids: list[int], ranges=None) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    w = step.weights
    keys = torch.zeros(len(w.layers), w.num_kv_heads, CONTEXT, w.head_width)
    values = torch.zeros_like(keys)
    scratch = step.scratch()
    rows = [
        step(scratch, token=token, slot=i % 9, position=i, keys=keys, values=values, ranges=ranges).clone()
        for i, token in enumerate(ids)
    ]
    return torch.stack(rows), keys, values


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
    some, whole = run(step, ids, [(7, 8), (100, 203)])[0], run(step, ids)[0]
    inside = torch.zeros(301, dtype=torch.bool)
    inside[7], inside[100:203] = True, True
    torch.testing.assert_close(some[:, inside], whole[:, inside], rtol=1e-5, atol=1e-5)
    assert bool(torch.isneginf(some[:, ~inside]).all())


def test_cache_may_be_a_slice_of_a_batch(isa):
    step = DecodeStep(random_weights(**SHAPES[0], is_narrow=False), context=CONTEXT)
    whole, keys, _ = run(step, [1, 2, 3])
    batch = torch.zeros(2, 3, 5, 2, CONTEXT, 16)
    scratch = step.scratch()
    for i, token in enumerate([1, 2, 3]):
        logits = step(scratch, token=token, slot=i, position=i, keys=batch[0, :, 3], values=batch[1, :, 3])
    assert torch.equal(logits, whole[-1])
    assert torch.equal(batch[0, :, 3], keys)
    assert not batch[:, :, [0, 1, 2, 4]].any()


@pytest.mark.parametrize(("field", "value"), [("token", 301), ("slot", 9), ("position", CONTEXT), ("token", -1)])
def test_out_of_range_is_refused(field, value):
    step = DecodeStep(random_weights(**SHAPES[0], is_narrow=False), context=CONTEXT)
    keys = torch.zeros(3, 2, CONTEXT, 16)
    where = {"token": 0, "slot": 0, "position": 0} | {field: value}
    with pytest.raises(ValueError, match=f"{field} must be from 0 to"):
        step(step.scratch(), **where, keys=keys, values=keys.clone())


def test_unknown_instruction_set_names_those_there_are(monkeypatch):
    monkeypatch.setenv("OMNILOOM_ISA", "mmx")
    with pytest.raises(ValueError, match=r"OMNILOOM_ISA=mmx is not offered here; use one of .*portable"):
        DecodeStep(random_weights(**SHAPES[0], is_narrow=False), context=CONTEXT)
