"""The systems that can be reproduced, by name. Each is one file, imported only when it is run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Literal

from omniloom.core.registry import Registry
from omniloom.reproductions.result import Result

Effort = Literal["quick", "usual", "full"]
"""Within minutes and in part; what was measured at training, the rest now; everything anew."""


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """One system: what it is in a line, and the module whose `reproduce` runs it."""

    summary: str
    module: str

    def run(self, *, effort: Effort, out: Path | None, checkpoint: str) -> Result:
        """Run it; with `out`, the figure is drawn into that folder.

        Raises:
            ValueError: If the checkpoint cannot be measured.
        """
        run: Callable[..., Result] = import_module(self.module).reproduce
        return run(effort=effort, out=out, checkpoint=checkpoint)


reproductions: Registry[Reproduction] = Registry("system")

reproductions.add(
    "gpt-4o",
    Reproduction(
        summary="one model from text, audio, image and video to text, audio and image; answers within 320 ms",
        module="omniloom.reproductions.gpt_4o",
    ),
)
reproductions.add(
    "two-pass-softmax",
    Reproduction(
        summary="softmax without a pass for the largest number; faster than three passes out of cache",
        module="omniloom.reproductions.two_pass_softmax",
    ),
)
reproductions.add(
    "online-softmax",
    Reproduction(
        summary="softmax and its largest values from one read of the logits",
        module="omniloom.reproductions.online_softmax",
    ),
)
reproductions.add(
    "fast-sparse-convnets",
    Reproduction(
        summary="1x1 convolutions by weights of 70 to 95 % zeros run faster than dense ones",
        module="omniloom.reproductions.fast_sparse_convnets",
    ),
)
reproductions.add(
    "indirect-convolution",
    Reproduction(
        summary="convolution by pointers to rows: as fast as a matrix product, without a patch matrix",
        module="omniloom.reproductions.convolution.indirect",
    ),
)
reproductions.add(
    "winograd",
    Reproduction(
        summary="3x3 convolution in a quarter of the multiplications",
        module="omniloom.reproductions.convolution.winograd",
    ),
)
reproductions.add(
    "tensor2tensor",
    Reproduction(
        summary="problems, models and sets by name; the reference Transformer translates and follows commands",
        module="omniloom.reproductions.tensor2tensor",
    ),
)
reproductions.add(
    "pytorch",
    Reproduction(
        summary="native operators are ordinary ones: eager, differentiable, compiled, exported, profiled",
        module="omniloom.reproductions.pytorch",
    ),
)
reproductions.add(
    "dall-e",
    Reproduction(
        summary="pictures from words never drawn together, and the best of 32 by a reranker",
        module="omniloom.reproductions.dall_e",
    ),
)
reproductions.add(
    "codex",
    Reproduction(
        summary="functions from docstrings: many samples run contained, counted without bias, one chosen of them",
        module="omniloom.reproductions.codex",
    ),
)
reproductions.add(
    "gpt-3",
    Reproduction(
        summary="a model learns a task from solved items in its prompt, a larger one better",
        module="omniloom.reproductions.gpt_3",
    ),
)
