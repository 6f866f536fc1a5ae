"""A sparse layer equals the dense one that it was made from, is saved and loaded, and trains the weights it has."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from omniloom.layers.sparse import SparseConv1x1, SparseLinear


def prune(module: nn.Linear | nn.Conv2d) -> None:
    with torch.no_grad():
        module.weight *= torch.rand_like(module.weight) < 0.2


@pytest.mark.parametrize("block", [1, 2, 4])
def test_equals_the_dense_layer(block: int) -> None:
    linear, conv = nn.Linear(20, 12), nn.Conv2d(20, 12, 1, bias=False)
    prune(linear)
    prune(conv)
    rows, images = torch.randn(3, 5, 20), torch.randn(2, 20, 6, 7)
    torch.testing.assert_close(SparseLinear.from_dense(linear, block=block)(rows), linear(rows), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(SparseConv1x1.from_dense(conv, block=block)(images), conv(images), rtol=1e-5, atol=1e-6)


def test_a_state_of_another_sparsity_is_loaded() -> None:
    dense = nn.Linear(20, 12)
    prune(dense)
    saved = SparseLinear.from_dense(dense)
    loaded = SparseLinear(torch.zeros(12, 20), torch.zeros(12))
    loaded.load_state_dict(saved.state_dict())
    input = torch.randn(4, 20)
    assert torch.equal(loaded(input), saved(input))
    assert "20 to 12, sparsity 0.7" in repr(loaded) or "sparsity 0.8" in repr(loaded)
    with pytest.raises(ValueError, match="the state is of 20 inputs to 12 outputs"):
        SparseLinear(torch.zeros(12, 21), torch.zeros(12)).load_state_dict(saved.state_dict())


def test_training_changes_only_the_weights_there_are() -> None:
    dense = nn.Linear(16, 8)
    prune(dense)
    layer = SparseLinear.from_dense(dense)
    before = layer.weight.dense()
    layer(torch.randn(5, 16)).square().sum().backward()
    torch.optim.SGD(layer.parameters(), lr=0.1).step()
    after = layer.weight.dense()
    assert torch.equal(after == 0, before == 0)
    assert not torch.equal(after, before)


@pytest.mark.parametrize("options", [{"kernel_size": 3}, {"stride": 2}, {"padding": 1}, {"groups": 2}])
def test_what_is_more_than_a_product_is_refused(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=f"needs {next(iter(options))}"):
        SparseConv1x1.from_dense(nn.Conv2d(4, 4, **{"kernel_size": 1, **options}))
    with pytest.raises(ValueError, match="the bias must have 3"):
        SparseLinear(torch.zeros(3, 2), torch.zeros(2))
