"""Codex's recipe at a size for one core: a model of the standard library's source, taken further on functions.

    omniloom train code --out runs/code

Four stages, each in its folder and skipped where it is done:

    base/      a model of text alone, on the standard library's source: pieces of modules, and functions with docstrings
    functions/ the base taken further on generated functions, signature and docstring to body, by Codex's settings:
               Adam 0.9, 0.95, 1e-8, decay 0.1, 175 steps of warm-up, a cosine (Chen et al. 2021, section 3.2)
    inverse/   the base taken further the other way round, from the code to its description, for back-scoring
    checkpoint/ the model of functions, for use

The paper's rate is that of the GPT which it goes on from; a model this small takes a higher one. Runs of spaces are
tokens of their own in the codec, which learns from both stages' texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from omniloom.codecs.base import AnyTextCodec
from omniloom.codecs.text import TextCodec
from omniloom.core.progress import track
from omniloom.data.code.generated import GeneratedFunctions
from omniloom.data.code.problem import CodeProblem
from omniloom.data.code.stdlib import stdlib_examples, stdlib_sources
from omniloom.data.texts import TextExample
from omniloom.data.texts.dataset import OVERHEAD
from omniloom.generation import load, save_for_use
from omniloom.models import OmniConfig
from omniloom.recipes.text_model import (
    TextModelRecipe,
    finetune_text_model,
    text_shape,
    text_weights,
    train_text_model,
)
from omniloom.training import AdamW, Cosine, TrainingConfig, WarmupStableDecay, record_config

MAX_CHARS = 512
"""Of a piece of the standard library: about 200 tokens."""


def _base() -> TrainingConfig:
    return TrainingConfig(
        num_steps=250,
        row_length=256,
        num_rows=16,
        schedule=WarmupStableDecay(warmup_steps=50, decay_fraction=0.5),
        weights=text_weights(prompt=0.5),
        compile=False,
        tensorboard=False,
    )


def _tuned(num_steps: int) -> TrainingConfig:
    return TrainingConfig(
        num_steps=num_steps,
        row_length=256,
        num_rows=16,
        optimizer=AdamW(rate=2e-3, beta1=0.9, beta2=0.95, weight_decay=0.1),
        schedule=Cosine(warmup_steps=175),
        weights=text_weights(),
        compile=False,
        tensorboard=False,
    )


@dataclass(frozen=True, kw_only=True)
class CodeRecipe:
    """Sizes and settings; `functions.num_steps` sets the longest part. `inverse` None leaves that model out.

    `num_files` are the first modules of the standard library; None for all.
    """

    vocab_size: int = 1024
    longest_run: int = 32
    model: OmniConfig = field(default_factory=lambda: text_shape(4, num_heads=2))
    num_files: int | None = None
    num_functions: int = 30_000
    base: TrainingConfig = field(default_factory=_base)
    functions: TrainingConfig = field(default_factory=lambda: _tuned(700))
    inverse: TrainingConfig | None = field(default_factory=lambda: _tuned(250))
    seed: int = 0


def train_code(recipe: CodeRecipe, *, out: Path, is_resuming: bool = False) -> Path:
    """Carry out what is not done yet; returns the folder of the model of functions, for use.

    Raises:
        ValueError: If `out` was begun with other settings of the data, or a stage is trained by other settings.
        KeyboardInterrupt: If it was asked to stop; its checkpoint is written.
    """
    folder = out / "checkpoint"
    made = [folder, *([out / "inverse" / "checkpoint"] if recipe.inverse is not None else [])]
    is_trained = all(own.exists() for own in made)
    record_config(out, recipe, model_folder="functions/model", is_trained=is_trained)
    if is_trained:
        return folder
    problems = _functions(recipe)
    base = _train_base(recipe, problems, out / "base")
    codec = load(base).codecs.text
    written = _fitting([written_of(own) for own in problems], codec, recipe.functions)
    tuned = finetune_text_model(base, written, training=recipe.functions, out=out / "functions", seed=recipe.seed)
    if recipe.inverse is not None:
        told = _fitting([described_of(own) for own in problems], codec, recipe.inverse)
        finetune_text_model(base, told, training=recipe.inverse, out=out / "inverse", seed=recipe.seed)
    if not folder.exists():
        found = load(tuned)
        save_for_use(folder, model=found.model, codecs=found.codecs)
    return folder


def written_of(problem: CodeProblem) -> TextExample:
    """Signature and docstring, and the body as the reply."""
    return TextExample(prompt=problem.prompt, reply=problem.reference, task="function")


def described_of(problem: CodeProblem) -> TextExample:
    """The function without its docstring, and the description as the reply."""
    return TextExample(prompt=problem.header + problem.reference, reply=problem.description, task="description")


def _functions(recipe: CodeRecipe) -> list[CodeProblem]:
    made = GeneratedFunctions()
    first = recipe.seed * recipe.num_functions
    numbers = range(first, first + recipe.num_functions)
    return [made.problem("train", number) for number in track(numbers, "making functions", unit="function")]


def _train_base(recipe: CodeRecipe, problems: Sequence[CodeProblem], out: Path) -> Path:
    texts = TextModelRecipe(
        vocab_size=recipe.vocab_size,
        longest_run=recipe.longest_run,
        model=recipe.model,
        training=recipe.base,
        seed=recipe.seed,
    )
    sources = stdlib_examples(max_chars=MAX_CHARS, seed=recipe.seed, sources=stdlib_sources(num_files=recipe.num_files))
    codec = _codec(recipe, sources, problems, out / "codec")
    return train_text_model(texts, _fitting(sources, codec, recipe.base), out=out, codec=codec)


def _codec(
    recipe: CodeRecipe, sources: Sequence[TextExample], problems: Sequence[CodeProblem], folder: Path
) -> TextCodec:
    """Learned from a quarter of the library's texts and as many functions."""
    if folder.exists():
        return TextCodec.load(folder)
    texts = [text for own in sources[::4] for text in (own.prompt, own.reply)]
    texts += [text for own in problems[: len(sources) // 4] for text in (own.prompt, own.reference)]
    codec = TextCodec.train(texts, recipe.vocab_size, longest_run=recipe.longest_run)
    codec.save(folder)
    return codec


def _fitting(examples: Sequence[TextExample], codec: AnyTextCodec, training: TrainingConfig) -> list[TextExample]:
    """Those that fit a row: few do not, for a piece is bounded in characters."""
    room = training.row_length - OVERHEAD
    return [own for own in examples if len(codec.encode_text(own.prompt)) + len(codec.encode_text(own.reply)) <= room]
