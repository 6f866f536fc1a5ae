"""The training loop: one process or several, any device, safe to interrupt at any time.

A run is a folder: its flattened configuration, metrics as JSON lines and TensorBoard events, and checkpoints that hold
weights, optimizer state and the step. Batches are drawn by number, so a run that was interrupted and resumed takes
exactly the steps, to the last bit, of one that was not. Ctrl-C and SIGTERM end the current step and save. Several
processes stop at the same step, whichever was asked to; rank 0 writes, and what it writes does not tell how many they
were.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

import torch
from torch import nn

from omniloom.core.checkpoint import keep_newest, latest, write_folder
from omniloom.core.metrics import Metrics
from omniloom.core.progress import Progress
from omniloom.core.state import load_state, save_state
from omniloom.data.packing import PackedLoader
from omniloom.data.token_dataset import TokenDataset
from omniloom.models import OmniModel
from omniloom.training.interruption import interruptible
from omniloom.training.loss import LossWeights, StreamObjective
from omniloom.training.optimizers import AdamW, Muon
from omniloom.training.parallel import Processes
from omniloom.training.precision import uses_autocast
from omniloom.training.protocols import AnyBatch, Batches, LoopConfig, Objective, Parallel
from omniloom.training.schedule import Cosine, WarmupStableDecay
from omniloom.training.sharding import gathered, is_sharded, load_model_state, load_optimizer_state, spread

M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How a model is trained. A step takes `num_rows x row_length x accumulate` tokens, over all processes together.

    `autocast` multiplies in bf16; unless it is said, where the device has that. `parallel` is what each of several
    processes holds: the whole model (`ddp`) or a shard of it (`fsdp2`).
    """

    num_steps: int
    row_length: int = 480
    num_rows: int = 4
    accumulate: int = 1
    optimizer: AdamW | Muon = field(default_factory=Muon)
    schedule: WarmupStableDecay | Cosine = field(default_factory=WarmupStableDecay)
    weights: LossWeights = field(default_factory=LossWeights)
    clip_norm: float = 1.0
    autocast: bool | None = None
    compile: bool = True
    log_every: int = 20
    checkpoint_every_s: float = 180.0
    keep_checkpoints: int = 2
    tensorboard: bool = True
    parallel: Parallel = "ddp"

    @property
    def tokens_per_step(self) -> int:
        return self.row_length * self.num_rows * self.accumulate

    def rate_scale(self, step: int) -> float:
        """The factor on the optimizers' rates."""
        return self.schedule.scale(step, num_steps=self.num_steps)


@dataclass(frozen=True)
class TrainingResult:
    """Where a run ended: `finished` is False where it was interrupted."""

    step: int
    finished: bool
    checkpoint: Path
    losses: dict[str, float]


class Trainer(Generic[M]):
    """A model, its optimizers and its place in the run; `processes` are those that share it, `batches` this one's.

    What is descended on is the `objective`; without one it is the omni model's, by the weights of its `config`.
    """

    def __init__(
        self,
        model: M,
        batches: Batches,
        config: LoopConfig,
        out: Path,
        *,
        objective: Objective | None = None,
        processes: Processes | None = None,
    ) -> None:
        self.model, self.batches, self.config, self.out = model, batches, config, out
        self.processes = processes or Processes()
        self.device = next(model.parameters()).device
        self.spread = spread(model, self.processes, parallel=config.parallel, is_compiled=config.compile)
        self.is_sharded = is_sharded(next(model.parameters()))
        self.is_autocast = uses_autocast(config.autocast, self.device)
        self.optimizers = config.optimizer.build(model, dtype=torch.bfloat16 if self.is_autocast else torch.float32)
        self.base_rates = [[group["lr"] for group in o.param_groups] for o in self.optimizers]
        if objective is None:
            assert isinstance(model, OmniModel) and isinstance(config, TrainingConfig), "give this model's objective"
            objective = StreamObjective(model, config.weights.by_class().to(self.device))
        self.objective: Objective = objective
        self.step = 0
        self.saved_step: int | None = None
        self.seconds_before, self.started = 0.0, time.monotonic()
        self.window = _Window(objective.names, self.processes)

    def run(self, *, until: int | None = None) -> TrainingResult:
        """Train to the last step, or to step `until`, or until a signal asks to stop; always ends with a checkpoint.

        Raises:
            ConnectionError: If another process of the run has ended.
        """
        c = self.config
        self.started = last_save = time.monotonic()
        stop = c.num_steps if until is None else min(until, c.num_steps)
        with ExitStack() as stack:
            interrupted = stack.enter_context(interruptible())
            stack.enter_context(self.processes.explaining_loss())
            journal = stack.enter_context(_Journal(self)) if self.processes.is_first else None
            (is_asked,) = self.processes.any(interrupted())
            while self.step < stop and not is_asked:
                self.take_step()
                if self.step % c.log_every == 0 or self.step == stop:
                    self._report(journal)
                is_due = self.processes.is_first and time.monotonic() - last_save > c.checkpoint_every_s
                is_asked, is_due = self.processes.any(interrupted(), is_due)
                if is_due:
                    self.save()
                    last_save = time.monotonic()
            checkpoint = self.save()
        # What comes between this call and the next, as an evaluation, is not training.
        self.seconds_before, self.started = self.seconds, time.monotonic()
        return TrainingResult(self.step, self.step >= c.num_steps, checkpoint, self.window.last)

    def take_step(self) -> None:
        """One optimizer step over `accumulate` batches."""
        c = self.config
        self.accumulate_gradients()
        norm: Any = torch.nn.utils.clip_grad_norm_(
            self.model.parameters(), math.inf if c.clip_norm is None else c.clip_norm
        )
        norm = norm.full_tensor() if self.is_sharded else norm
        if not bool(torch.isfinite(norm)):
            raise FloatingPointError(f"the gradient at step {self.step} is not finite; lower the rate and resume")
        scale = c.rate_scale(self.step)
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
            is_last = part == c.accumulate - 1
            with nullcontext() if is_last else self.spread.unsynced():
                (self._loss(batch) * self.processes.world_size / c.accumulate).backward()

    def _loss(self, batch: AnyBatch) -> torch.Tensor:
        here: Any = batch.to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.is_autocast):
            loss = self.objective(self.spread.forward, here, over_all=self.processes.sum)
        self.window.add(loss.sums, loss.counts, batch.num_tokens)
        return loss.total

    def _report(self, journal: _Journal | None) -> None:
        losses, rate = self.window.close()
        if journal is not None:
            journal.write(losses, rate)

    @property
    def seconds(self) -> float:
        """How long the run has trained, over all its interruptions."""
        return self.seconds_before + time.monotonic() - self.started

    def save(self) -> Path:
        """Write the checkpoint of this step, which all wait for, and drop the oldest beyond `keep_checkpoints`."""
        folder = self.out / "checkpoints"
        path = folder / f"step-{self.step:08d}"
        if self.saved_step == self.step:
            return path
        state = {
            "step": self.step,
            "seconds": self.seconds,
            "model": self.model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
        }
        is_first = self.processes.is_first
        state = gathered(state, keeps=is_first) if self.is_sharded else state
        if is_first and not path.exists():
            write_folder(path, lambda temporary: save_state(temporary / STATE_FILE, state))
            keep_newest(folder, num_kept=self.config.keep_checkpoints)
        self.processes.wait()
        self.saved_step = self.step
        return path

    def resume(self) -> bool:
        """Continue from the newest whole checkpoint of the run; False where there is none."""
        path = latest(self.out / "checkpoints")
        if path is None:
            return False
        state = load_state(path / STATE_FILE)
        load_model_state(self.model, state["model"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            load_optimizer_state(optimizer, saved)
        self.step = self.saved_step = state["step"]
        self.seconds_before = state["seconds"]
        return True

    def whole_model(self) -> M:
        """The trained model, on rank 0 with every weight whole; all processes must ask."""
        if not self.is_sharded:
            return self.model
        with self.processes.explaining_loss():
            state = gathered(self.model.state_dict(), keeps=self.processes.is_first)
        if not self.processes.is_first:
            return self.model
        model = cast(Any, type(self.model))(self.model.config, self.model.vocabulary)
        model.load_state_dict(state)
        return model


class _Journal:
    """A run's metrics and progress, open while it trains."""

    def __init__(self, trainer: Trainer[Any]) -> None:
        c = trainer.config
        self.trainer = trainer
        self.metrics = Metrics(trainer.out, resume_step=trainer.step or None, has_tensorboard=c.tensorboard)
        self.progress = Progress("training", total=c.num_steps, done=trainer.step)

    def __enter__(self) -> _Journal:
        self.progress.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.progress.__exit__(*error)
        self.metrics.close()

    def write(self, losses: dict[str, float], rate: float) -> None:
        """The losses since the last report and the rate, tokens a second of all processes."""
        t = self.trainer
        values = {f"loss/{name}": value for name, value in losses.items()}
        scale = t.config.rate_scale(t.step)
        t_values = {"tokens_per_s": rate, "rate_scale": scale, "seconds": t.seconds}
        self.metrics.write(t.step, {**values, **t_values})
        shown = {name.removeprefix("reply_"): value for name, value in losses.items() if name.startswith("reply_")}
        self.progress.advance(t.step - self.progress.done, {"tokens/s": rate, **shown})


def fit(
    model: OmniModel, data: TokenDataset, config: TrainingConfig, out: Path, *, seed: int, processes: Processes
) -> OmniModel:
    """Train on a dataset's packed rows, from the newest checkpoint in `out` if there is one; whole on rank 0.

    Raises:
        KeyboardInterrupt: If it was asked to stop; its checkpoint is written.
        ConnectionError: If another process of the run has ended.
    """
    loader = PackedLoader(
        data,
        row_length=config.row_length,
        batch_rows=config.num_rows,
        seed=seed,
        rank=processes.rank,
        world_size=processes.world_size,
    )
    trainer = Trainer(model.to(processes.device), loader, config, out, processes=processes)
    trainer.resume()
    result = trainer.run()
    if not result.finished:
        raise KeyboardInterrupt(f"training stopped at step {result.step}; add --resume to go on")
    return trainer.whole_model()


STATE_FILE = "state.safetensors"


class _Window:
    """Losses and tokens since the last report."""

    def __init__(self, names: Sequence[str], processes: Processes) -> None:
        self.names, self.processes = tuple(names), processes
        self.last: dict[str, float] = {}
        self._open()

    def _open(self) -> None:
        self.sums = torch.zeros(len(self.names))
        self.counts = torch.zeros(len(self.names))
        self.tokens = 0
        self.start = time.perf_counter()

    def add(self, sums: torch.Tensor, counts: torch.Tensor, tokens: int) -> None:
        self.sums += sums.cpu()
        self.counts += counts.cpu()
        self.tokens += tokens

    def close(self) -> tuple[dict[str, float], float]:
        """Mean loss of each class that occurred (nats a token), and tokens a second, of all; then start anew."""
        sums, counts = self.processes.sum(torch.stack([self.sums, self.counts]))
        means = {name: float(sums[kind] / counts[kind]) for kind, name in enumerate(self.names) if counts[kind] > 0}
        tokens = int(self.processes.sum(torch.tensor(self.tokens)))
        rate = tokens / max(1e-9, time.perf_counter() - self.start)
        self.last = means
        self._open()
        return means, rate
