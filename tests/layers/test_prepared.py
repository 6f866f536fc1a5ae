"""The form for inference equals the module, and is never that of weights from before."""

import copy
import pickle
from collections.abc import Callable

import pytest
import torch
from torch import nn

from omniloom.kernels import PackedConv, native
from omniloom.layers.prepared import FromWeights, PackedRows, in_double, prepared
from omniloom.layers.streaming_conv import CausalBlock, CausalConv

native_only = pytest.mark.skipif(not native.instruction_sets(), reason="there is no native library")


@native_only
def test_layers_in_a_row_are_packed_with_their_activations() -> None:
    torch.manual_seed(0)
    linear = nn.Sequential(nn.Linear(5, 9), nn.GELU(), nn.Linear(9, 40), nn.Tanh(), nn.Linear(40, 3), nn.GELU("tanh"))
    form = prepared(linear)
    assert [type(layer) for layer in form] == [PackedRows, PackedRows, nn.Tanh, PackedRows]
    with torch.no_grad():
        for shape in ((7, 5), (2, 3, 5), (2, 3, 4, 5), (0, 5)):
            x = torch.randn(shape)
            torch.testing.assert_close(form(x), linear(x), rtol=0, atol=2e-6)
        images = nn.Sequential(nn.Conv2d(4, 20, 3), nn.GELU(), nn.Conv2d(20, 6, 1), nn.Conv2d(6, 2, 3, padding="same"))
        form = prepared(images)
        assert [type(layer) for layer in form] == [PackedConv, PackedConv, nn.Conv2d]
        x = torch.randn(2, 9, 8, 4).permute(0, 3, 1, 2)
        torch.testing.assert_close(form(x), images(x), rtol=0, atol=1e-5)


@native_only
@pytest.mark.parametrize("module", [CausalConv(6, 40, taps=3), CausalBlock(6, taps=5, dilation=2)])
@pytest.mark.parametrize("size", [1, 4, 23])
def test_streams_equal_the_module(module: nn.Module, size: int) -> None:
    form = prepared(module)
    assert form is not module
    x, past, parts = torch.randn(2, 23, 6), None, []
    with torch.no_grad():
        for piece in x.split(size, dim=1):
            frames, past = form(piece, past)
            parts.append(frames)
        torch.testing.assert_close(torch.cat(parts, dim=1), module(x).frames, rtol=0, atol=1e-5)


def test_a_module_without_a_native_form_serves_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    double = nn.Linear(3, 4).double()
    assert prepared(double) is double
    monkeypatch.setenv("OMNILOOM_ISA", "reference")
    plain = nn.Linear(3, 4)
    assert prepared(plain) is plain


def step(module: nn.Module) -> None:
    optimizer = torch.optim.SGD(module.parameters(), lr=0.5)
    module(torch.ones(1, 3)).sum().backward()
    optimizer.step()


def load(module: nn.Module) -> None:
    module.load_state_dict({name: torch.randn_like(value) for name, value in module.state_dict().items()})


def assign(module: nn.Module) -> None:
    state = {name: torch.randn_like(value) for name, value in module.state_dict().items()}
    module.load_state_dict(state, assign=True)


def convert(module: nn.Module) -> None:
    """Away and back rounds the weights, perhaps into memory that they had before."""
    module.bfloat16().float()


def replace(module: nn.Module) -> None:
    module[0].weight = nn.Parameter(torch.randn(4, 3))


@pytest.mark.parametrize("change", [step, load, assign, convert, replace])
def test_changed_weights_are_never_served_stale(change: Callable[[nn.Module], None]) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 4), nn.GELU())
    form, x = FromWeights(prepared), torch.randn(5, 3)
    for _ in range(3):
        with torch.no_grad():
            assert form(module) is form(module)
            before = form(module)(x)
            torch.testing.assert_close(before, module(x), rtol=0, atol=2e-6)
        change(module)
        with torch.no_grad():
            torch.testing.assert_close(form(module)(x), module(x), rtol=0, atol=2e-6)


def test_what_leaves_no_trace_is_made_anew_when_told_to() -> None:
    module, form = nn.Linear(3, 4), FromWeights(in_double)
    before = form(module)
    module.weight.data.zero_()
    form.forget()
    assert form(module) is not before and not form(module).weight.any()


def test_another_module_has_a_form_of_its_own() -> None:
    form, first, second = FromWeights(in_double), nn.Linear(3, 4), nn.Linear(3, 4)
    assert torch.equal(form(first).weight, first.weight.double())
    assert torch.equal(form(second).weight, second.weight.double())


def test_copies_do_not_carry_it() -> None:
    module, form = nn.Linear(3, 4), FromWeights(in_double)
    form(module)
    for copied in (copy.deepcopy(form), pickle.loads(pickle.dumps(form))):
        assert copied._kept is None
        assert torch.equal(copied(module).weight, module.weight.double())
