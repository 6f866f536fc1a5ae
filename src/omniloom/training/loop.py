"""The training loop: one process, any device, safe to interrupt at any time.

A run is a folder: its flattened configuration, metrics as JSON lines and TensorBoard events, and checkpoints that hold
weights, optimizer state and the step. Batches are drawn by number, so a run that was interrupted and resumed takes
exactly the steps, to the last bit, of one that was not. Ctrl-C and SIGTERM end the current step and save.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch

from omniloom.core.checkpoint import keep_newest, latest, write_folder
from omniloom.core.metrics import Metrics
from omniloom.core.progress import Progress
from omniloom.core.state import load_state, save_state
from omniloom.data.packing import Batch
from omniloom.models import OmniModel
from omniloom.stream.layout import LossClass
from omniloom.training.batches import Batches
from omniloom.training.interruption import interruptible
from omniloom.training.loss import LossWeights, weighted_loss
from omniloom.training.optimizers import AdamW, Muon
from omniloom.training.schedule import WarmupStableDecay


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How a model is trained. A step takes `num_rows x row_length x accumulate` tokens."""

    num_steps: int
    row_length: int = 480
    num_rows: int = 4
    accumulate: int = 1
    optimizer: AdamW | Muon = field(default_factory=Muon)
    schedule: WarmupStableDecay = field(default_factory=WarmupStableDecay)
    weights: LossWeights = field(default_factory=LossWeights)
    clip_norm: float = 1.0
    autocast: bool = True
    compile: bool = True
    log_every: int = 20
    checkpoint_every_s: float = 180.0
    keep_checkpoints: int = 2
    tensorboard: bool = True

    @property
    def tokens_per_step(self) -> int:
        return self.row_length * self.num_rows * self.accumulate


@dataclass(frozen=True)
class TrainingResult:
    """Where a run ended: `finished` is False where it was interrupted."""

    step: int
    finished: bool
    checkpoint: Path
    losses: dict[str, float]


class Trainer:
    """A model, its optimizers and its place in the run."""

    def __init__(self, model: OmniModel, batches: Batches, config: TrainingConfig, out: Path) -> None:
        self.model, self.batches, self.config, self.out = model, batches, config, out
        self.device = next(model.parameters()).device
        self.optimizers = config.optimizer.build(model)
        self.base_rates = [[group["lr"] for group in o.param_groups] for o in self.optimizers]
        self.weights = config.weights.by_class().to(self.device)
        self.forward: Callable[..., torch.Tensor] = torch.compile(model, dynamic=False) if config.compile else model
        self.step = 0
        self.seconds_before, self.started = 0.0, time.monotonic()
        self.window = _Window(len(self.weights))

    def run(self, *, until: int | None = None) -> TrainingResult:
        """Train to the last step, or to step `until`, or until a signal asks to stop; always ends with a checkpoint."""
        c = self.config
        self.started = last_save = time.monotonic()
        stop = c.num_steps if until is None else min(until, c.num_steps)
        metrics = Metrics(self.out, resume_step=self.step or None, has_tensorboard=c.tensorboard)
        progress = Progress("training", total=c.num_steps, done=self.step)
        with interruptible() as interrupted, metrics, progress:
            while self.step < stop and not interrupted():
                self.take_step()
                if self.step % c.log_every == 0 or self.step == stop:
                    self._report(metrics, progress)
                if time.monotonic() - last_save > c.checkpoint_every_s:
                    self.save()
                    last_save = time.monotonic()
        checkpoint = self.save()
        return TrainingResult(self.step, self.step >= c.num_steps, checkpoint, self.window.last)

    def take_step(self) -> None:
        """One optimizer step over `accumulate` batches."""
        c = self.config
        self.accumulate_gradients()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), c.clip_norm)
        if not bool(torch.isfinite(norm)):
            raise FloatingPointError(f"the gradient at step {self.step} is not finite; lower the rate and resume")
        scale = c.schedule.scale(self.step, num_steps=c.num_steps)
        for optimizer, rates in zip(self.optimizers, self.base_rates, strict=True):
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * scale
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.step += 1

    def accumulate_gradients(self) -> None:
        """Add up the gradients of this step's batches, each batch's weighted mean counting alike."""
        c = self.config
        for part in range(c.accumulate):
            batch = self.batches.batch(self.step * c.accumulate + part)
            (self._loss(batch) / c.accumulate).backward()

    def _loss(self, batch: Batch) -> torch.Tensor:
        device = self.device
        with torch.autocast(device.type, torch.bfloat16, enabled=self.config.autocast):
            hidden = self.forward(batch.ids.to(device), batch.slots.to(device), documents=batch.documents.to(device))
            loss = weighted_loss(self.model, hidden, batch.targets.to(device), batch.classes.to(device), self.weights)
        self.window.add(loss.sums, loss.counts, batch.num_tokens)
        return loss.total

    def _report(self, metrics: Metrics, progress: Progress) -> None:
        losses, rate = self.window.close()
        scale = self.config.schedule.scale(self.step, num_steps=self.config.num_steps)
        seconds = self.seconds_before + time.monotonic() - self.started
        values = {f"loss/{name}": value for name, value in losses.items()}
        metrics.write(self.step, {**values, "tokens_per_s": rate, "rate_scale": scale, "seconds": seconds})
        shown = {name.removeprefix("reply_"): value for name, value in losses.items() if name.startswith("reply_")}
        progress.advance(self.step - progress.done, {"tokens/s": rate, **shown})

    def save(self) -> Path:
        """Write the checkpoint of this step and drop the oldest beyond `keep_checkpoints`."""
        folder = self.out / "checkpoints"
        path = folder / f"step-{self.step:08d}"
        if not path.exists():
            state = {
                "step": self.step,
                "seconds": self.seconds_before + time.monotonic() - self.started,
                "model": self.model.state_dict(),
                "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            }
            write_folder(path, lambda temporary: save_state(temporary / STATE_FILE, state))
            keep_newest(folder, num_kept=self.config.keep_checkpoints)
        return path

    def resume(self) -> bool:
        """Continue from the newest whole checkpoint of the run; False where there is none."""
        path = latest(self.out / "checkpoints")
        if path is None:
            return False
        state = load_state(path / STATE_FILE)
        self.model.load_state_dict(state["model"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.step, self.seconds_before = state["step"], state["seconds"]
        return True


STATE_FILE = "state.safetensors"


class _Window:
    """Losses and tokens since the last report."""

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes
        self.last: dict[str, float] = {}
        self._open()

    def _open(self) -> None:
        self.sums = torch.zeros(self.num_classes)
        self.counts = torch.zeros(self.num_classes)
        self.tokens = 0
        self.start = time.perf_counter()

    def add(self, sums: torch.Tensor, counts: torch.Tensor, tokens: int) -> None:
        self.sums += sums.cpu()
        self.counts += counts.cpu()
        self.tokens += tokens

    def close(self) -> tuple[dict[str, float], float]:
        """Mean loss of each class that occurred (nats a token), and tokens a second; then start anew."""
        means = {
            kind.name.lower(): float(self.sums[kind] / self.counts[kind]) for kind in LossClass if self.counts[kind] > 0
        }
        rate = self.tokens / max(1e-9, time.perf_counter() - self.start)
        self.last = means
        self._open()
        return means, rate
