"""What a run takes, against published formulas worked out by hand and against what autograd really keeps."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from omniloom.layers.attention import DenseAttention
from omniloom.models import OmniConfig, OmniModel
from omniloom.training import AdamW, TrainingConfig
from omniloom.training.estimate import (
    activation_bytes_per_token,
    block_matrices,
    flops_per_token,
    measured_flops_per_second,
    memory,
)
from tests.stream.vocabularies import small_vocabulary

TINY, BASE = OmniConfig.from_depth(7), OmniConfig.from_depth(40)
VOCABULARY = small_vocabulary()


@pytest.mark.parametrize(
    ("config", "vocabulary_size", "row_length", "matrices", "flops"),
    [(TINY, 4568, 384, 5_160_960, 42_110_976), (BASE, 4568, 1024, 1_061_683_200, 6_789_685_248)],
)
def test_operations_of_a_token(
    config: OmniConfig, vocabulary_size: int, row_length: int, matrices: int, flops: int
) -> None:
    """Tiny: 6 (5,160,960 + 4568 x 256) + 6 x 7 x 384 x 256."""
    assert block_matrices(config) == matrices
    assert flops_per_token(config, vocabulary_size=vocabulary_size, row_length=row_length) == flops


def test_block_matrices_are_those_of_the_model() -> None:
    blocks = OmniModel(OmniConfig.from_depth(2), VOCABULARY).blocks
    assert block_matrices(OmniConfig.from_depth(2)) == sum(p.numel() for p in blocks.parameters() if p.ndim == 2)


def test_gpt3s_compute_comes_out_as_published() -> None:
    """Brown et al. 2020, table D.1: 3.14e23 operations for 300 billion tokens, attention left out."""
    attention = DenseAttention.Config(width=12_288, num_heads=96, num_kv_heads=96, head_width=128)
    gpt3 = OmniConfig(depth=96, attention=attention, hidden_width=4 * 12_288 * 2 // 3)
    assert flops_per_token(gpt3, vocabulary_size=50_257, row_length=0) * 300e9 == pytest.approx(3.14e23, rel=0.002)


@pytest.mark.parametrize("autocast", [True, False])
def test_activations_are_what_autograd_keeps(autocast: bool) -> None:
    """One layer more, counted in tensors; what is left out, rotary angles and the norms' scales, is under 2 %."""
    row_length = 96

    def kept(depth: int) -> int:
        return _kept_bytes(OmniConfig.from_depth(1), depth, row_length=row_length, autocast=autocast)

    def estimated(depth: int) -> int:
        one = OmniConfig.from_depth(1)
        config = OmniConfig(depth=depth, attention=one.attention, hidden_width=one.hidden_width)
        return row_length * activation_bytes_per_token(
            config, vocabulary_size=VOCABULARY.size, row_length=row_length, autocast=autocast
        )

    assert kept(2) - kept(1) == pytest.approx(estimated(2) - estimated(1), rel=0.02)


def _kept_bytes(shape: OmniConfig, depth: int, *, row_length: int, autocast: bool) -> int:
    """Bytes of the distinct tensors that a forward pass keeps, without weights and copies of weights."""
    model = OmniModel(OmniConfig(depth=depth, attention=shape.attention, hidden_width=shape.hidden_width), VOCABULARY)
    weights = {tuple(sorted(parameter.shape)) for parameter in model.parameters()}
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        if tuple(sorted(tensor.shape)) not in weights:
            kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    ids = torch.zeros(1, row_length, dtype=torch.long)
    hooks = torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor)
    with hooks, torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        model(ids, ids, documents=ids + 1)
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


def test_memory_of_each_process() -> None:
    """Base on eight: 1,069,161,984 parameters, of them 1,061,683,200 in matrices, 40 layers of 1536 and 4224."""
    training = TrainingConfig(num_steps=1, row_length=1024, num_rows=128, autocast=True, parallel="fsdp2")
    held = memory(BASE, training, num_parameters=1_069_161_984, vocabulary_size=4568, num_processes=8)
    assert held.weights == held.gradients == 534_580_992
    assert held.optimizer == (1_061_683_200 + 2 * 7_478_784) / 2
    assert held.gathered == 2 * 1_061_683_200 + 4 * (7_478_784 + 2 * 26_542_080)
    assert held.activations == 16 * 1024 * (40 * (37 * 1536 + 8 * 4224 + 2 * 1024) + 4 * 4568 + 2 * 1536)
    assert held.total == 65_056_322_560


def test_one_process_holds_all_and_adamw_keeps_two_numbers_a_weight() -> None:
    training = TrainingConfig(num_steps=1, optimizer=AdamW(), autocast=False, parallel="fsdp2")
    held = memory(TINY, training, num_parameters=6_390_528, vocabulary_size=4568)
    assert (held.weights, held.optimizer, held.gathered) == (25_562_112, 51_124_224, 0)


def test_the_rate_is_that_of_a_real_pass() -> None:
    found = measured_flops_per_second(OmniConfig.from_depth(1), TrainingConfig(num_steps=1, row_length=32), VOCABULARY)
    assert found > 0
