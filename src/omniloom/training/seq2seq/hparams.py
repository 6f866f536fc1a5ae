"""Tensor2Tensor's hyper-parameter sets for its reference Transformer, to the number.

The number of steps is no part of a set, nor is the vocabulary: a problem brings the one, a run the other. Left out is
what a set says of other models. `batch_tokens` is meant for each process, as there for each GPU. A set is a function
that is registered under its name; one of your own is one function more, wherever it stands.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from omniloom.core.registry import Registry
from omniloom.models.seq2seq import Seq2SeqConfig
from omniloom.training.optimizers import Adam
from omniloom.training.schedule import Noam
from omniloom.training.seq2seq.bucketing import Bucketing


@dataclass(frozen=True, kw_only=True)
class HyperParameters:
    """A model and how it is trained; the defaults are `transformer_base`. Without `clip_norm` nothing is clipped."""

    model: Seq2SeqConfig = field(default_factory=Seq2SeqConfig)
    batching: Bucketing = field(default_factory=Bucketing)
    optimizer: Adam = field(default_factory=Adam)
    schedule: Noam = field(default_factory=Noam)
    label_smoothing: float = 0.1
    clip_norm: float | None = None


hparams: Registry[Callable[[], HyperParameters]] = Registry("hyper-parameter set")
"""Functions that give a set, by name."""


@hparams.register("transformer_base")
def transformer_base() -> HyperParameters:
    """Version 3: 6 + 6 layers of width 512, pre-norm, 4,096 tokens a batch, warm-up of 8,000 steps to 0.00099."""
    return HyperParameters()


@hparams.register("transformer_base_v1")
def transformer_base_v1() -> HyperParameters:
    """Version 1, nearest to the paper: post-norm, no dropout inside layers, beta2 0.98, warm-up of 4,000 steps."""
    base = transformer_base()
    return replace(
        base,
        model=replace(base.model, preprocess="none", postprocess="dan", attention_dropout=0.0, relu_dropout=0.0),
        optimizer=replace(base.optimizer, beta2=0.98),
        schedule=Noam.legacy(learning_rate=0.1, warmup_steps=4000),
    )


@hparams.register("transformer_big")
def transformer_big() -> HyperParameters:
    """Twice as wide, 16 heads, dropout 0.3 around layers, 2,048 tokens a batch."""
    base = transformer_base()
    return replace(
        base,
        model=replace(base.model, width=1024, hidden_width=4096, num_heads=16, dropout=0.3),
        batching=replace(base.batching, batch_tokens=2048),
    )


@hparams.register("transformer_tiny")
def transformer_tiny() -> HyperParameters:
    """2 + 2 layers of width 128 and 4 heads."""
    base = transformer_base()
    model = replace(base.model, width=128, hidden_width=512, num_heads=4, num_encoder_layers=2, num_decoder_layers=2)
    return replace(base, model=model)
