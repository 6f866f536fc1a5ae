"""The tiny omni model from nothing: codecs, data, training, and a folder ready for use.

Four stages, each in its own folder and skipped where it is already whole, so a broken-off run goes on at its stage, and
the training stage at its last checkpoint:

    codecs/      text, audio and image; sound and pictures train side by side, one core each
    data/        examples of the world as tokens
    model/       the training run: metrics, TensorBoard, checkpoints
    checkpoint/  what `Omni.load` takes

`times.json` says what each stage took. Under torchrun, rank 0 does the first two stages and the last, and all train.
"""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from omniloom.codecs.bundle import CodecSet, load_codec
from omniloom.core.processes import one_thread_each
from omniloom.core.randomness import seeded
from omniloom.data.problems import EmojiProblem, SpeechProblem, SumsProblem, WorldMix
from omniloom.data.token_dataset import TokenDataset, prepare
from omniloom.generation import save_for_use
from omniloom.models import OmniConfig, OmniModel
from omniloom.recipes.audio_codec import AudioCodecRecipe, train_audio_codec
from omniloom.recipes.image_codec import ImageCodecRecipe, train_image_codec
from omniloom.recipes.text_codec import TextCodecRecipe
from omniloom.recipes.text_codec import train as train_text_codec
from omniloom.training import (
    LossWeights,
    Processes,
    TrainingConfig,
    WarmupStableDecay,
    alone,
    fit,
    joined,
    record_config,
)


def mix_to_learn() -> WorldMix:
    """The world with more of what takes longest: two hundred names of emoji, by eye and by ear, and unheard voices.

    The world itself says how often each task is scored.
    """
    return WorldMix(
        emoji=EmojiProblem.Config(
            name_emoji_text=8.0,
            name_emoji_audio=2.4,
            draw_emoji_typed=6.0,
            draw_emoji_spoken=9.0,
            edit_emoji_typed=3.0,
            emoji_spoken_text=4.0,
            emoji_spoken_audio=3.0,
        ),
        sums=SumsProblem.Config(sum_text=6.0, sum_audio=1.5),
        speech=SpeechProblem.Config(transcribe=13.0, echo=6.0),
    )


@dataclass(frozen=True, kw_only=True)
class TinyRecipe:
    """Codecs, data and training on two idle cores; `training.num_steps` sets the longest part.

    It took 88 minutes on a busy machine with bf16 arithmetic, 65 by the rates of a quiet one; without that, up to twice
    as long.
    """

    text: TextCodecRecipe = field(default_factory=TextCodecRecipe)
    audio: AudioCodecRecipe = field(default_factory=AudioCodecRecipe)
    image: ImageCodecRecipe = field(default_factory=ImageCodecRecipe)
    mix: WorldMix = field(default_factory=mix_to_learn)
    num_examples: int = 131_072
    model: OmniConfig = field(default_factory=lambda: OmniConfig.from_depth(6, num_heads=3))
    training: TrainingConfig = field(
        # The longest of 98,304 examples of the world has 240 positions.
        default_factory=lambda: TrainingConfig(
            num_steps=7_500,
            row_length=256,
            num_rows=8,
            # A rate that stays high hides what was learned, so it goes down for most of the run.
            schedule=WarmupStableDecay(decay_fraction=0.8),
            weights=LossWeights(reply_text=2.0, prompt_audio=0.01),
        )
    )
    num_processes: int = 2
    seed: int = 0


def train_tiny(recipe: TinyRecipe, *, out: Path, is_resuming: bool = False) -> Path:
    """Carry out what is not done yet and return the folder for use; Ctrl-C stops it where it stands.

    Raises:
        KeyboardInterrupt: If the training stage was asked to stop; its checkpoint is written.
        ConnectionError: If it was started as several processes and another one ended.
    """
    with joined() as processes:
        data = processes.after_first(lambda: prepare_stages(recipe, out), lambda: TokenDataset.open(out / "data"))
        times = _Times(out / "times.json") if processes.is_first else None
        with times.stage("model") if times else nullcontext():
            model = train_model(recipe, data, out / "model", processes=processes)
        if processes.is_first:
            facts = {"training": json.loads((out / "times.json").read_text())}
            codecs = train_codecs(recipe, out / "codecs")
            save_for_use(out / "checkpoint", model=model, codecs=codecs, scores=facts)
    return out / "checkpoint"


def prepare_stages(recipe: TinyRecipe, out: Path) -> TokenDataset:
    """What comes before the training stage, by one process."""
    record_config(out, recipe)
    times = _Times(out / "times.json")
    with times.stage("codecs"):
        codecs = train_codecs(recipe, out / "codecs")
    with times.stage("data"):
        return prepare(
            out / "data",
            mix=recipe.mix,
            codecs=codecs,
            num_examples=recipe.num_examples,
            seed=recipe.seed,
            processes=recipe.num_processes,
            max_tokens=recipe.training.row_length,
        )


def train_codecs(recipe: TinyRecipe, folder: Path) -> CodecSet:
    """The three codecs; what is there already is loaded, so another kind of codec may be put there beforehand."""
    if not (folder / "text" / "codec").exists():
        train_text_codec(recipe.text, mix=recipe.mix).save(folder / "text" / "codec")
    jobs: list[tuple[Callable[..., None], object, Path]] = [
        (_audio_codec, recipe.audio, folder / "audio"),
        (_image_codec, recipe.image, folder / "image"),
    ]
    left = [job for job in jobs if not (job[2] / "codec").exists()]
    if recipe.num_processes == 1:
        for train, config, place in left:
            train(config, place)
    elif left:
        with one_thread_each(len(left)) as pool:
            for work in [pool.submit(train, config, place) for train, config, place in left]:
                work.result()
    return CodecSet(
        text=load_codec(folder / "text" / "codec", "text"),
        audio=load_codec(folder / "audio" / "codec", "audio"),
        image=load_codec(folder / "image" / "codec", "image"),
    )


def train_model(
    recipe: TinyRecipe, data: TokenDataset, folder: Path, *, processes: Processes | None = None
) -> OmniModel:
    """The transformer, from nothing or from the newest checkpoint in `folder`; whole on rank 0."""
    with seeded("omni weights", recipe.seed):
        model = OmniModel(recipe.model, data.vocabulary)
    return fit(model, data, recipe.training, folder, seed=recipe.seed, processes=processes or alone())


def _audio_codec(recipe: AudioCodecRecipe, folder: Path) -> None:
    train_audio_codec(recipe, run_folder=folder / "run").save(folder / "codec")


def _image_codec(recipe: ImageCodecRecipe, folder: Path) -> None:
    train_image_codec(recipe, run_folder=folder / "run").save(folder / "codec")


class _Times:
    """Wall-clock seconds and peak memory of each stage, kept over interruptions."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stages: dict[str, dict[str, float]] = json.loads(path.read_text()) if path.exists() else {}

    def stage(self, name: str) -> _Stage:
        return _Stage(lambda seconds: self._add(name, seconds))

    def _add(self, name: str, seconds: float) -> None:
        before = self.stages.get(name, {}).get("seconds", 0.0)
        own, workers = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        self.stages[name] = {
            "seconds": round(before + seconds, 1),
            "peak_process_megabytes": round(max(own, workers) / 1024),
        }
        self.path.write_text(json.dumps(self.stages, indent=1) + "\n")


class _Stage:
    def __init__(self, done: Callable[[float], None]) -> None:
        self.done = done

    def __enter__(self) -> None:
        self.start = time.monotonic()

    def __exit__(self, *error: object) -> None:
        self.done(time.monotonic() - self.start)
