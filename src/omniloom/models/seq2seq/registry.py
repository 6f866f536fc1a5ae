"""Models from a row of ids to another by name, and what each must offer to be trained and decoded like the rest.

A model is a function of a configuration and a vocabulary, most often its class. A base class was rejected: what
training and beam search ask for is said by the protocol, and a model that has it may be made of anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from jaxtyping import Float, Int
from torch import Tensor, nn

from omniloom.core.registry import Registry
from omniloom.models.seq2seq.config import Seq2SeqConfig, Seq2SeqVocabulary
from omniloom.models.seq2seq.transformer import Seq2SeqTransformer


class SequenceModel(Protocol):
    """A module over ids of a `Seq2SeqVocabulary`: 0 is padding and begins a target, 1 ends a row."""

    config: Any
    vocabulary: Seq2SeqVocabulary

    @property
    def blocks(self) -> Iterable[nn.Module]:
        """The parts that several processes may hold in shards; all others are whole."""
        ...

    def __call__(self, source: Int[Tensor, "B S"], target: Int[Tensor, "B T"]) -> Float[Tensor, "B T D"]:
        """States from which `logits` predicts each id of the target from those before it."""
        ...

    def logits(self, states: Float[Tensor, "*rows D"]) -> Float[Tensor, "*rows V"]:
        """Scores of every id."""
        ...

    def decoding(self, source: Int[Tensor, "B S"]) -> Any:
        """A `generation.beam.Stepper` that begins with an empty target for each source."""
        ...


sequence_models: Registry[Callable[[Seq2SeqConfig, Seq2SeqVocabulary], nn.Module]] = Registry("model")
"""Functions that give an untrained `SequenceModel`."""

sequence_models.add("transformer", Seq2SeqTransformer)
