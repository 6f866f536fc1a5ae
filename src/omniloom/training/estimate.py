"""What a run will take: operations, memory and time, from its configuration, before anything is started.

The formulas are published ones, named where they stand, or counted from our own graph. The rate is measured on the
machine that asks, by a few passes through one block of the same width: a table of what each device can do would be
wrong for most.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, fields
from statistics import median

import torch

from omniloom.models import OmniConfig, OmniModel
from omniloom.stream.vocabulary import Vocabulary
from omniloom.training.loop import TrainingConfig
from omniloom.training.optimizers import Muon
from omniloom.training.precision import uses_autocast

NUM_PASSES = 3
FLOPS_PER_PASS = {"cpu": 1e10, "cuda": 2e13}
"""What a measuring pass costs, unless one row costs more: about a tenth of a second of a core or of a large GPU."""

LONGEST_ROW = {"cpu": 256, "cuda": 8192}


def block_matrices(config: OmniConfig) -> int:
    """Weights of all blocks' matrices, which is all of a block but its two norms."""
    a = config.attention
    attention = (2 * a.num_heads + 2 * a.num_kv_heads) * a.head_width * a.width
    return config.depth * (attention + 3 * config.width * config.hidden_width)


def flops_per_token(config: OmniConfig, *, vocabulary_size: int, row_length: int) -> int:
    """Operations of training on one token: 6 N + 6 L T D, a multiplication and an addition counted as two.

    Kaplan et al. 2020, section 2.1 and table 1: 2 N forward for N weights in matrices, 2 L T D for attention (L
    layers, T = n_ctx tokens in a row, D = d_attn), and twice as much backward. N counts the output matrix too, as
    Hoffmann et al. 2022, appendix F, do; only tokens with a loss reach it, so this is a little too much.
    """
    a = config.attention
    weights = block_matrices(config) + vocabulary_size * config.width
    return 6 * weights + 6 * config.depth * row_length * a.num_heads * a.head_width


TOKENS_PER_PARAMETER = 20
"""About what Hoffmann et al. 2022 (table 3) find best for a given amount of compute, from 0.4 B to 10 B parameters."""


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Bytes that each process holds at the end of a forward pass and the start of a backward one."""

    weights: float
    gradients: float
    optimizer: float
    gathered: float
    activations: float

    @property
    def total(self) -> float:
        return sum(getattr(self, part.name) for part in fields(self))


def memory(
    config: OmniConfig, training: TrainingConfig, *, num_parameters: int, vocabulary_size: int, num_processes: int = 1
) -> Memory:
    """What training takes of each process's memory; compiled runs and fused kernels keep fewer activations.

    Weights, gradients and averages are float32: AdamW keeps two numbers a weight, Muon one for the blocks' matrices.
    FSDP2 divides all three by the processes (Rajbhandari et al. 2020, section 5). `gathered` is what exists beside
    them: the bf16 copies of the blocks' matrices under autocast, which autograd keeps and no sharding divides, and with
    FSDP2 the token table and two blocks while they are in use.
    """
    matrices = block_matrices(config)
    shards = num_processes if training.parallel == "fsdp2" else 1
    averages = (
        matrices + 2 * (num_parameters - matrices) if isinstance(training.optimizer, Muon) else 2 * num_parameters
    )
    in_use = num_parameters - matrices + 2 * matrices // config.depth if shards > 1 else 0
    rows = -(-training.num_rows // num_processes)
    is_autocast = uses_autocast(training.autocast, _device())
    a_token = activation_bytes_per_token(
        config, vocabulary_size=vocabulary_size, row_length=training.row_length, autocast=is_autocast
    )
    return Memory(
        weights=4 * num_parameters / shards,
        gradients=4 * num_parameters / shards,
        optimizer=4 * averages / shards,
        gathered=(2 * matrices if is_autocast else 0) + 4 * in_use,
        activations=rows * training.row_length * a_token,
    )


def activation_bytes_per_token(config: OmniConfig, *, vocabulary_size: int, row_length: int, autocast: bool) -> int:
    """What autograd keeps of one token, counted tensor by tensor as Korthikanti et al. 2022, section 4.1, do.

    In bytes, with D the width, H the hidden width and T the row's length. Under bf16 autocast a layer keeps 37 D: both
    norms' inputs and normalized values (16 D in float32), their outputs and the mixed values (6 D), queries, keys and
    values (15 D, before and after normalizing); 8 H of the gated layer; and 2 T, its copy of the mask. In float32 these
    are 46 D, 16 H and 4 T. Once, for the loss: 4 V and the hidden state.
    """
    width, hidden_width = config.width, config.hidden_width
    a_layer = 37 * width + 8 * hidden_width + 2 * row_length
    if not autocast:
        a_layer = 46 * width + 16 * hidden_width + 4 * row_length
    return config.depth * a_layer + 4 * vocabulary_size + (2 if autocast else 4) * width


def measured_flops_per_second(config: OmniConfig, training: TrainingConfig, vocabulary: Vocabulary) -> float:
    """What this machine does of `flops_per_token` in forward and backward passes through one block, not compiled."""
    device = _device().type
    one = OmniConfig(depth=1, attention=config.attention, hidden_width=config.hidden_width)
    row_length = min(training.row_length, LONGEST_ROW[device])
    a_row = row_length * flops_per_token(one, vocabulary_size=vocabulary.size, row_length=row_length)
    num_rows = max(1, min(training.num_rows, int(FLOPS_PER_PASS[device] / a_row)))
    model = OmniModel(one, vocabulary).to(device)
    ids = torch.zeros(num_rows, row_length, dtype=torch.long, device=device)
    is_autocast = uses_autocast(training.autocast, ids.device)
    seconds = [_pass_seconds(model, ids, autocast=is_autocast) for _ in range(1 + NUM_PASSES)]
    return num_rows * a_row / median(seconds[1:])


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _pass_seconds(model: OmniModel, ids: torch.Tensor, *, autocast: bool) -> float:
    """One forward and backward pass over rows of one document each."""
    start = time.perf_counter()
    with torch.autocast(ids.device.type, torch.bfloat16, enabled=autocast):
        hidden = model(ids, torch.zeros_like(ids), documents=torch.ones_like(ids)).last
        loss = torch.nn.functional.cross_entropy(model.logits(hidden).float().flatten(0, 1), ids.flatten())
    loss.backward()
    if ids.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - start
