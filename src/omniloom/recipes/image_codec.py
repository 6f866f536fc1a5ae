"""Train the image codec, and measure whether pictures can still be read after it.

Scenes of the training pairs, jittered as users show them and canonical as the assistant draws them, with a fifth of
emoji: those that the world names, as they are shown and drawn, and some of the others where the data folder has them,
so that a picture from elsewhere is no stranger; and frames of films. A held-out pair is never drawn here. Every step's
batch is a function of its number, so an interrupted run resumes to the same bits. Besides the picture itself, its
factors are losses, as coverage and colour are known exactly. Random colours without any shape teach the colour plane
the whole cube, of which the world's ten colours are a corner.
"""

from __future__ import annotations

import math
import os
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from omniloom.codecs.image import ImageCodec, separate
from omniloom.codecs.image.separation import PATCH, SIDE
from omniloom.core.checkpoint import keep_newest, latest, write_folder
from omniloom.core.metrics import Metrics
from omniloom.core.progress import Progress
from omniloom.core.randomness import generator, seeded
from omniloom.core.state import load_state, save_state
from omniloom.data.clips import random_frame
from omniloom.data.emoji import EMOJI, training_picture
from omniloom.data.scenes import MAX_OBJECTS, random_scene, render
from omniloom.stream.parts import Image
from omniloom.training.interruption import interruptible

FRAME_WEIGHT = 0.5
"""Of the loss of frames beside that of pictures; not tuned."""


@dataclass(frozen=True, kw_only=True)
class ImageCodecRecipe:
    """About six and a half minutes of one core with the defaults."""

    codec: ImageCodec.Config = field(default_factory=ImageCodec.Config)
    num_steps: int = 3000
    rows_per_step: int = 64
    frames_per_step: int = 16
    learning_rate: float = 3e-3
    warmup_steps: int = 100
    emoji_share: float = 0.2
    named_share: float = 0.75
    """Of the emoji, those that have a name in the world."""
    canonical_share: float = 0.25
    num_emoji: int = 600
    """Of the others."""
    steps_per_checkpoint: int = 500
    seed: int = 0


class Losses(NamedTuple):
    """Terms of the loss, before their weights."""

    pixels: Tensor
    edges: Tensor
    coverage: Tensor
    colour: Tensor
    cube: Tensor

    def total(self) -> Tensor:
        """The weighted sum; the weights bring the terms to one order of magnitude, and were not tuned further."""
        return self.pixels + 0.5 * self.edges + 0.5 * self.coverage + 2 * self.colour + 0.5 * self.cube


def train_image_codec(recipe: ImageCodecRecipe | None = None, *, run_folder: str | Path) -> ImageCodec:
    """The codec, from nothing or from the newest checkpoint in `run_folder`, where metrics go as well.

    Ctrl-C and SIGTERM write a checkpoint before they pass on.
    """
    recipe = recipe or ImageCodecRecipe()
    folder = Path(run_folder)
    with seeded("image codec weights", recipe.seed):
        codec = ImageCodec(recipe.codec)
    optimizer = torch.optim.AdamW(codec.parameters(), lr=recipe.learning_rate, betas=(0.9, 0.95), weight_decay=0.01)
    start = _resume(folder, codec, optimizer)
    emoji = emoji_pictures(recipe.num_emoji, split="train") if recipe.emoji_share else []
    if recipe.emoji_share and recipe.num_emoji and not emoji:
        warnings.warn(
            "there is no noto-emoji/png/72 in $OMNILOOM_DATA, so the image codec sees no emoji without a name; "
            "set the variable, or num_emoji=0 if that is meant",
            stacklevel=2,
        )
    progress = Progress("image codec", total=recipe.num_steps, done=start)
    step = start
    with interruptible() as is_interrupted, Metrics(folder, resume_step=start or None) as metrics, progress:
        while step < recipe.num_steps:
            pixels = training_batch(recipe, step, emoji)
            losses = _update(codec, optimizer, pixels, training_frames(recipe, step), recipe, step)
            step += 1
            progress.advance(1, {name: losses[name] for name in ("total", "coverage", "pixels")})
            if step % 20 == 0:
                metrics.write(step, losses)
            # Asked once, or a signal that comes between the two lines would leave without saving.
            is_stopping = is_interrupted()
            if step % recipe.steps_per_checkpoint == 0 or is_stopping:
                _checkpoint(folder, step, codec, optimizer)
            if is_stopping and step < recipe.num_steps:
                raise KeyboardInterrupt
    codec.round_weights()
    return codec.eval()


def training_batch(recipe: ImageCodecRecipe, step: int, emoji: list[Image]) -> Float[Tensor, "B 3 64 64"]:
    """The pictures of one step, in 0..1; the same for the same seed and step."""
    rng = generator("image codec batch", recipe.seed, step)
    rows = []
    for _ in range(recipe.rows_per_step):
        if rng.random() < recipe.emoji_share:
            rows.append(_emoji_picture(recipe, rng, emoji))
        else:
            scene = random_scene(rng, num_objects=int(rng.integers(1, MAX_OBJECTS + 1)), pairs="train")
            rows.append(render(scene, jitter=None if rng.random() < recipe.canonical_share else rng).pixels)
    return torch.stack(rows).float() / 255


def training_frames(recipe: ImageCodecRecipe, step: int) -> Float[Tensor, "B 3 32 32"]:
    """The frames of films of one step, in 0..1: in half of them everything stands, in half something is on its way."""
    rng = generator("image codec frames", recipe.seed, step)
    frames = [random_frame(rng, pairs="train", is_still=index % 2 == 0)[1] for index in range(recipe.frames_per_step)]
    return torch.stack([frame.pixels for frame in frames]).float() / 255 if frames else torch.zeros(0, 3, 32, 32)


def _emoji_picture(recipe: ImageCodecRecipe, rng: np.random.Generator, others: list[Image]) -> UInt8[Tensor, "3 64 64"]:
    """A named emoji as the world has it, or one of the others, half of them mirrored."""
    if not others or rng.random() < recipe.named_share:
        return training_picture(rng).pixels
    pixels = others[rng.integers(len(others))].pixels
    return pixels.flip(2) if rng.random() < 0.5 else pixels


def emoji_pictures(num_pictures: int, *, split: str) -> list[Image]:
    """Emoji without a name, from `$OMNILOOM_DATA`; every tenth is kept for "new"; none where no folder is there."""
    mirror = os.environ.get("OMNILOOM_DATA")
    if not mirror:
        return []
    folder = Path(mirror) / "noto-emoji" / "png" / "72"
    named = {emoji.file for emoji in EMOJI}
    others = [path for path in sorted(folder.glob("*.png")) if path.name not in named]
    paths = [path for index, path in enumerate(others) if (index % 10 == 9) == (split == "new")]
    # Neighbouring names are variants of one picture; equal steps through them give the most different ones.
    kept = paths[:: max(1, len(paths) // num_pictures)][:num_pictures] if num_pictures else []
    return [Image.open(path).resized(SIDE) for path in kept]


def codec_losses(codec: ImageCodec, pixels: Float[Tensor, "B 3 side side"], random_ink: Float[Tensor, "K 3"]) -> Losses:
    """Compare a batch with its reconstruction; patches with ink count six times as much as paper."""
    target = separate(pixels)
    decoded = codec(target)
    has_ink = F.max_pool2d(target.coverage, PATCH).gt(0).float()
    weight = (0.2 + has_ink).repeat_interleave(PATCH, 2).repeat_interleave(PATCH, 3)
    weight = weight / weight.mean()
    error = decoded.pixels - pixels
    binary = F.binary_cross_entropy_with_logits(decoded.coverage_logits, target.coverage, weight=weight)
    ink, bit = target.colour[:, :3], target.colour[:, 3:]
    edges = (weight[..., 1:] * error.diff(dim=3).abs()).mean() + (weight[..., 1:, :] * error.diff(dim=2).abs()).mean()
    return Losses(
        pixels=(weight * (error.abs() + 2 * error**2)).mean(),
        edges=edges,
        coverage=binary,
        colour=((0.1 + bit) * (decoded.ink - ink) ** 2).mean(),
        cube=_cube_loss(codec, random_ink),
    )


def _cube_loss(codec: ImageCodec, random_ink: Tensor) -> Tensor:
    """Error of colours taken evenly from all there are, through the colour plane alone."""
    values = torch.cat([random_ink, torch.ones_like(random_ink[:, :1])], dim=1)
    grid = codec.colour_quantizer(codec.colour_encoder(values * 2 - 1)).values
    return ((codec.colour_decoder(grid) - random_ink) ** 2).mean()


def _update(
    codec: ImageCodec,
    optimizer: torch.optim.Optimizer,
    pixels: Tensor,
    frames: Tensor,
    recipe: ImageCodecRecipe,
    step: int,
) -> dict[str, float]:
    for group in optimizer.param_groups:
        group["lr"] = recipe.learning_rate * _schedule(step, recipe)
    rng = generator("image codec colours", recipe.seed, step)
    random_ink = torch.from_numpy(rng.random((256, 3), np.float32))
    losses = codec_losses(codec, pixels, random_ink)
    total = losses.total()
    if len(frames):
        total = total + FRAME_WEIGHT * codec_losses(codec, frames, random_ink).total()
    optimizer.zero_grad()
    total.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(codec.parameters(), 1.0)
    optimizer.step()
    return {"total": float(total.detach()), **{name: float(value.detach()) for name, value in losses._asdict().items()}}


def _schedule(step: int, recipe: ImageCodecRecipe) -> float:
    """Linear warm-up, then a half cosine to nothing."""
    warm = min(1.0, (step + 1) / recipe.warmup_steps)
    return warm * 0.5 * (1 + math.cos(math.pi * step / recipe.num_steps))


def _checkpoint(folder: Path, step: int, codec: ImageCodec, optimizer: torch.optim.Optimizer) -> None:
    state: dict[str, Any] = {"step": step, "codec": dict(codec.state_dict()), "optimizer": optimizer.state_dict()}
    checkpoints = folder / "checkpoints"
    write_folder(checkpoints / f"step-{step:06d}", lambda path: save_state(path / "state.safetensors", state))
    keep_newest(checkpoints, num_kept=2)


def _resume(folder: Path, codec: ImageCodec, optimizer: torch.optim.Optimizer) -> int:
    """Load the newest checkpoint, and the number of steps that it has behind it; 0 without one."""
    path = latest(folder / "checkpoints")
    if path is None:
        return 0
    state = load_state(path / "state.safetensors")
    codec.load_state_dict(state["codec"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["step"])
