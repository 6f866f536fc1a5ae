"""Train the audio codec.

Every step's batch is a function of its number, so an interrupted run resumes to the same bits. The codec that is handed
on is the exponential mean of the weights over the last steps, rounded to float16 as on disk.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from omniloom.codecs.audio import AudioCodec
from omniloom.codecs.audio.losses import Losses, codec_losses
from omniloom.core.checkpoint import keep_newest, latest, write_folder
from omniloom.core.metrics import Metrics
from omniloom.core.progress import Progress
from omniloom.core.randomness import generator, seeded
from omniloom.core.state import load_state, save_state
from omniloom.recipes.audio_codec_sounds import Batch, Mix, Sounds, training_batch, training_sounds
from omniloom.training.interruption import interruptible
from omniloom.training.muon import OrthogonalMomentum
from omniloom.training.schedule import WarmupStableDecay

STATE_FILE = "state.safetensors"
SMALLEST_MATRIX = 16


@dataclass(frozen=True, kw_only=True)
class AudioCodecRecipe:
    """What the audio codec is made from, and how long and how fast it learns."""

    codec: AudioCodec.Config = field(default_factory=lambda: AudioCodec.Config(num_groups=4, levels=(8, 8, 8)))
    mix: Mix = field(default_factory=Mix)
    schedule: WarmupStableDecay = field(default_factory=lambda: WarmupStableDecay(warmup_steps=60, decay_fraction=0.5))
    num_sentences: int = 4200
    digit_copies: int = 8
    num_steps: int = 1600
    num_rows: int = 16
    num_frames: int = 32
    matrix_rate: float = 0.02
    learning_rate: float = 4e-3
    weight_decay: float = 0.01
    average_decay: float = 0.99
    clip_norm: float = 1.0
    autocast: bool = False
    log_every: int = 20
    steps_per_checkpoint: int = 300
    seed: int = 0


def train_audio_codec(
    recipe: AudioCodecRecipe | None = None, *, run_folder: str | Path, sounds: Sounds | None = None
) -> AudioCodec:
    """The codec, from nothing or from the newest checkpoint in `run_folder`, where metrics go as well.

    Ctrl-C and SIGTERM write a checkpoint before they pass on. `sounds` replaces those that the recipe would make.
    """
    recipe = recipe or AudioCodecRecipe()
    run = _Run(recipe, Path(run_folder))
    start = run.step
    if sounds is None:
        sounds = training_sounds(recipe.num_sentences, digit_copies=recipe.digit_copies, seed=recipe.seed)
    progress = Progress("audio codec", total=recipe.num_steps, done=start)
    with interruptible() as is_interrupted, Metrics(run.folder, resume_step=start or None) as metrics, progress:
        while run.step < recipe.num_steps:
            losses = run.take_step(sounds)
            progress.advance(1, {"loss": losses["total"], "mel": losses["mel"]})
            if run.step % recipe.log_every == 0:
                metrics.write(run.step, losses)
            # Asked once, or a signal that comes between the two lines would leave without saving.
            is_stopping = is_interrupted()
            if run.step % recipe.steps_per_checkpoint == 0 or is_stopping:
                run.save()
            if is_stopping and run.step < recipe.num_steps:
                raise KeyboardInterrupt
    run.average.round_weights()
    return run.average.eval()


class _Run:
    """The codec in training, its running average, its optimizer, and the step they stand at."""

    def __init__(self, recipe: AudioCodecRecipe, folder: Path) -> None:
        self.recipe, self.folder = recipe, folder
        with seeded("audio codec weights", recipe.seed):
            self.codec = AudioCodec(recipe.codec)
        self.average = copy.deepcopy(self.codec).requires_grad_(False)
        self.optimizers = _optimizers(self.codec, recipe)
        self.base_rates = recipe.matrix_rate, recipe.learning_rate
        self.step = 0
        path = latest(folder / "checkpoints")
        if path is not None:
            self._load(path)

    def take_step(self, sounds: Sounds) -> dict[str, float]:
        """One update; the losses before it."""
        recipe = self.recipe
        rng = generator("audio codec batch", recipe.seed, self.step)
        batch = training_batch(sounds, recipe.mix, rng, num_rows=recipe.num_rows, num_frames=recipe.num_frames)
        scale = recipe.schedule.scale(self.step, num_steps=recipe.num_steps)
        losses = self._losses(batch)
        self.codec.zero_grad()
        losses.total.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.codec.parameters(), recipe.clip_norm)
        if not bool(torch.isfinite(norm)):
            raise FloatingPointError(f"the gradient at step {self.step} is not finite; lower learning_rate and resume")
        for optimizer, rate in zip(self.optimizers, self.base_rates, strict=True):
            optimizer.param_groups[0]["lr"] = rate * scale
            optimizer.step()
        self.step += 1
        # Early on the average follows closely, or it would remember the random start.
        share = max(1 - recipe.average_decay, 9 / (self.step + 9))
        with torch.no_grad():
            torch._foreach_lerp_([*self.average.parameters()], [*self.codec.parameters()], share)
        return {name: float(value.detach()) for name, value in losses._asdict().items()}

    def save(self) -> None:
        state: dict[str, Any] = {
            "step": self.step,
            "codec": dict(self.codec.state_dict()),
            "average": dict(self.average.state_dict()),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
        }
        checkpoints = self.folder / "checkpoints"
        write_folder(checkpoints / f"step-{self.step:06d}", lambda path: save_state(path / STATE_FILE, state))
        keep_newest(checkpoints, num_kept=2)

    def _load(self, path: Path) -> None:
        state = load_state(path / STATE_FILE)
        self.codec.load_state_dict(state["codec"])
        self.average.load_state_dict(state["average"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.step = int(state["step"])

    def _losses(self, batch: Batch) -> Losses:
        # With autocast only the matrix products are in bfloat16; spectra and losses stay in float32.
        with torch.autocast("cpu", torch.bfloat16, enabled=self.recipe.autocast):
            trip = self.codec(batch.heard)
        return codec_losses(trip, batch.wanted)


def _optimizers(codec: AudioCodec, recipe: AudioCodecRecipe) -> list[torch.optim.Optimizer]:
    """Muon for the matrices between the layers, AdamW for vectors, taps and what makes codes, pitch and envelopes."""
    matrices: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, parameter in codec.named_parameters():
        is_inner = parameter.ndim == 2 and min(parameter.shape) >= SMALLEST_MATRIX and name != "decoder.out.weight"
        (matrices if is_inner else others).append(parameter)
    decay = recipe.weight_decay
    return [
        OrthogonalMomentum(matrices, dtype=torch.float32, lr=recipe.matrix_rate, weight_decay=decay),
        torch.optim.AdamW(others, lr=recipe.learning_rate, betas=(0.9, 0.98), weight_decay=decay, fused=True),
    ]
