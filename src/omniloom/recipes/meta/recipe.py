"""A model of text alone trained on in-context mixtures: prompts that hold solved items of a mapping drawn anew.

Two stages, for looking things up in a prompt is learned suddenly and first where it is easiest:

    first/       ciphers of single letters, few letters each
    second/      all families, most often letters behind marks that say nothing; from the first stage's weights
    checkpoint   is `second/checkpoint`, an ordinary one: `Omni.load` takes it

Every token of a prompt is learned from, since each solved item in it is asked for after those before it. Both stages in
one did not find it in the same time. Matrices are multiplied in float32: the step from guessing to looking up is made
of small gradients.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from omniloom.codecs.text import TextCodec
from omniloom.data.problems.in_context import CLASSES, InContextProblem
from omniloom.data.texts import TextExample, examples_of
from omniloom.layers.attention import DenseAttention
from omniloom.models import OmniConfig
from omniloom.recipes.text_model import TextModelRecipe, finetune_text_model, text_weights, train_text_model
from omniloom.training import AdamW, Muon, TrainingConfig, WarmupStableDecay, record_config


def shape(width: int, *, num_heads: int) -> OmniConfig:
    """Two layers, the fewest that look up."""
    attention = DenseAttention.Config(
        width=width, num_heads=num_heads, num_kv_heads=num_heads, head_width=width // num_heads
    )
    return OmniConfig(depth=2, attention=attention, hidden_width=11 * width // 4, context=512)


def stage(num_steps: int, *, row_length: int, num_rows: int, rate: float, decay: float) -> TrainingConfig:
    """A stage's settings, all but how fast vectors are learned as those of the omni models."""
    return TrainingConfig(
        num_steps=num_steps,
        row_length=row_length,
        num_rows=num_rows,
        optimizer=Muon(embedding=AdamW(rate=rate)),
        schedule=WarmupStableDecay(warmup_steps=50, decay_fraction=decay),
        weights=replace(text_weights(prompt=1.0), reply_text=1.0),
        autocast=False,
        compile=False,
        tensorboard=False,
    )


@dataclass(frozen=True, kw_only=True)
class MetaRecipe:
    """`num_first` and `num_second` examples, each stage's own; mappings that are held out are in neither."""

    model: OmniConfig = field(default_factory=lambda: shape(128, num_heads=4))
    vocab_size: int = 512
    first: TrainingConfig = field(default_factory=lambda: stage(800, row_length=40, num_rows=32, rate=0.015, decay=0.0))
    second: TrainingConfig = field(
        default_factory=lambda: stage(900, row_length=128, num_rows=16, rate=0.01, decay=0.5)
    )
    num_first: int = 20_000
    num_second: int = 30_000
    seed: int = 0


def large() -> MetaRecipe:
    """Width 128: about four minutes of one core."""
    return MetaRecipe()


def small() -> MetaRecipe:
    """Width 64: about two."""
    return MetaRecipe(model=shape(64, num_heads=2))


def train_meta(recipe: MetaRecipe, *, out: Path, is_resuming: bool = False) -> Path:
    """Carry out what is not done yet and return the folder for use.

    Raises:
        ValueError: If a stage is trained by other settings.
        KeyboardInterrupt: If it was asked to stop; its checkpoint is written.
    """
    record_config(out, recipe, model_folder="second/model", is_trained=(out / "second" / "checkpoint").exists())
    text = TextModelRecipe(vocab_size=recipe.vocab_size, model=recipe.model, training=recipe.first, seed=recipe.seed)
    codec = out / "first" / "codec"
    if not codec.exists():
        # Of words alone, so that no merge joins two letters of a cipher.
        words = [word for own in CLASSES.values() for word in own]
        codec.parent.mkdir(parents=True, exist_ok=True)
        TextCodec.train(words * WORD_REPEATS, recipe.vocab_size).save(codec)
    begun = train_text_model(text, first_examples(recipe), out=out / "first")
    return finetune_text_model(
        begun, second_examples(recipe), training=recipe.second, out=out / "second", seed=recipe.seed
    )


WORD_REPEATS = 100
"""A merge is learned from two words or more."""


def first_examples(recipe: MetaRecipe) -> Sequence[TextExample]:
    """Single letters."""
    only_recall = InContextProblem.Config(letter=0.0, cipher=0.0, order=0.0, labels=0.0, rules=0.0)
    return examples_of(InContextProblem(only_recall), num_examples=recipe.num_first)


def second_examples(recipe: MetaRecipe) -> Sequence[TextExample]:
    """All families, and single letters among them."""
    return examples_of(InContextProblem(), num_examples=recipe.num_second)
