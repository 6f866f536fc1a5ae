"""A stage's training by the loop that trains every model."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from torch import nn

from omniloom.training.loop import Trainer
from omniloom.training.optimizers import AdamW, Muon
from omniloom.training.protocols import Batches, Objective, Parallel
from omniloom.training.schedule import WarmupStableDecay

M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True, kw_only=True)
class StageTraining:
    """How long and how a stage runs; what is not told is as in `training.TrainingConfig`.

    Nothing is compiled unless it is asked for: a stage takes minutes, of which a compiler would take one.
    """

    num_steps: int
    num_rows: int
    optimizer: AdamW | Muon = field(default_factory=AdamW)
    schedule: WarmupStableDecay = field(default_factory=lambda: WarmupStableDecay(warmup_steps=50, decay_fraction=0.6))
    clip_norm: float = 1.0
    autocast: bool | None = None
    compile: bool = False
    log_every: int = 50
    checkpoint_every_s: float = 60.0
    keep_checkpoints: int = 2
    tensorboard: bool = False
    accumulate: int = 1
    parallel: Parallel = "ddp"

    def rate_scale(self, step: int) -> float:
        """The factor on the optimizers' rates."""
        return self.schedule.scale(step, num_steps=self.num_steps)


def fit_stage(model: M, batches: Batches, objective: Objective, training: StageTraining, out: Path) -> M:
    """Train from the newest checkpoint in `out`, if there is one; the model is ready to use.

    Raises:
        KeyboardInterrupt: If it was asked to stop; its checkpoint is written.
    """
    trainer = Trainer(model.train(), batches, training, out, objective=objective)
    trainer.resume()
    result = trainer.run()
    if not result.finished:
        raise KeyboardInterrupt(f"{out.name} stopped at step {result.step}; add --resume to go on")
    return trainer.whole_model().eval()
