"""The judge of composites: a classifier that shares nothing with what drew and what ranked (`models.pictures`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from omniloom.data.emoji.coloured import ColouredEmoji
from omniloom.models.pictures import AttributeClassifier
from omniloom.models.pictures.saving import load_network, save_network

KIND = "attribute_classifier"


class Verdict(NamedTuple):
    """Of each picture: whether both colour and object are those asked for, and how likely the judge finds that."""

    is_right: Bool[Tensor, " N"]
    probability: Float[Tensor, " N"]


class Judge:
    """A classifier, and what its outputs are called."""

    def __init__(self, network: AttributeClassifier, *, colours: Sequence[str], objects: Sequence[str]) -> None:
        """
        Raises:
            ValueError: If the network has not as many outputs.
        """
        found = (network.config.num_colours, network.config.num_objects)
        if found != (len(colours), len(objects)):
            raise ValueError(
                f"the classifier tells {found} colours and objects apart, not {len(colours), len(objects)}"
            )
        self.network, self.colours, self.objects = network.eval(), tuple(colours), tuple(objects)

    @property
    def chance(self) -> float:
        """Of naming both right by guessing."""
        return 1 / (len(self.colours) * len(self.objects))

    @torch.inference_mode()
    def verdict(self, pixels: Float[Tensor, "N 3 side side"], asked: Sequence[ColouredEmoji]) -> Verdict:
        """Of pictures in 0..1, each beside what was asked for.

        Raises:
            ValueError: If something was asked for that it does not know.
        """
        unknown = {item.name for item in asked} - set(self.objects)
        if unknown:
            raise ValueError(f"the judge has not learned {', '.join(sorted(unknown))}; ask for what it has")
        logits = self.network(pixels)
        rows = torch.arange(len(asked))
        colours = torch.tensor([self.colours.index(item.tint) for item in asked])
        objects = torch.tensor([self.objects.index(item.name) for item in asked])
        is_right = (logits.colours.argmax(1) == colours) & (logits.objects.argmax(1) == objects)
        likely = logits.colours.softmax(1)[rows, colours] * logits.objects.softmax(1)[rows, objects]
        return Verdict(is_right, likely)

    def save(self, folder: str | Path) -> None:
        """Write the folder."""
        facts = {"colours": self.colours, "objects": self.objects}
        save_network(folder, self.network, kind=KIND, facts=facts)

    @classmethod
    def load(cls, folder: str | Path) -> Judge:
        """Read a folder.

        Raises:
            ValueError: If it is torn, or holds something else.
        """
        network, facts = load_network(folder, AttributeClassifier, kind=KIND)
        return cls(network, colours=facts["colours"], objects=facts["objects"])
