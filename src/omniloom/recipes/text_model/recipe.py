"""A model of text alone: prompt in, reply out, of any size, from plain examples.

    examples = [TextExample(prompt="2 + 2 =", reply=" 4"), ...]
    folder = train_text_model(TextModelRecipe(), examples, out=Path("runs/sums"))
    Omni.load(folder).reply("2 + 2 =").text

What is trained is the omni transformer with codecs of sound and pictures left out (`codecs.absent`), so loading, the
engine, serving, scoring and sampling are those of every model. What a run folder holds:

    codec/       the byte-level BPE, trained on the examples
    data.json    which examples, so that a run that goes on with others is refused
    model/       the training run: metrics, checkpoints
    checkpoint/  what `Omni.load` takes

Stages that are done are skipped. Training goes on at its newest checkpoint and ends with the bits of a run that was
never stopped. On one processor core a compiled step gains too little for the minutes that compiling takes, so `compile`
is off; products are of bfloat16 where the processor has them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from omniloom.codecs.bundle import CodecSet
from omniloom.codecs.text import TextCodec
from omniloom.core.randomness import generator, seeded
from omniloom.data.texts import TextDataset, TextExample
from omniloom.generation import load, save_for_use
from omniloom.models import OmniConfig, OmniModel
from omniloom.training import LossWeights, TrainingConfig, alone, fit, record_config

DATA, CHECKPOINT = "data.json", "checkpoint"


def text_shape(depth: int, *, num_heads: int, context: int = 1024) -> OmniConfig:
    """A transformer of width 64 a head, without what only hearing needs."""
    shape = OmniConfig.from_depth(depth, num_heads=num_heads, context=context)
    return replace(shape, hearing_layer=None)


def text_weights(*, prompt: float = 0.0) -> LossWeights:
    """A token of a reply counts 1 and one of a prompt `prompt`; nothing else is there to be learned."""
    return LossWeights(prompt_text=prompt, turn_end=0.0, heard_word=0.0, seen_word=0.0)


@dataclass(frozen=True, kw_only=True)
class TextModelRecipe:
    """Codec, shape and training. The codec learns from `codec_characters` of the examples, drawn at random.

    With `longest_run` each run of so many spaces is a token (`TextCodec.train`).
    """

    vocab_size: int = 1024
    longest_run: int = 1
    codec_characters: int = 4_000_000
    model: OmniConfig = field(default_factory=lambda: text_shape(4, num_heads=3))
    training: TrainingConfig = field(
        default_factory=lambda: TrainingConfig(
            num_steps=1000, row_length=256, num_rows=16, weights=text_weights(), compile=False, tensorboard=False
        )
    )
    seed: int = 0


def train_text_model(
    recipe: TextModelRecipe, examples: Sequence[TextExample], *, out: Path, codec: TextCodec | None = None
) -> Path:
    """Codec and model from nothing, or what of them is not done yet; returns the folder for use.

    With a `codec` of one's own none is trained, and the recipe's words on it do not count.

    Raises:
        ValueError: If there is no example, one is longer than a row, or `out` was begun with others, or is trained by
            other settings.
        KeyboardInterrupt: If it was asked to stop; its checkpoint is written.
    """
    record_config(out, recipe, is_trained=(out / CHECKPOINT).exists())
    codecs = CodecSet.of_text(codec or _codec(recipe, examples, out / "codec"))
    with seeded("text model weights", recipe.seed):
        model = OmniModel(recipe.model, codecs.vocabulary())
    return _trained(model, codecs, examples, recipe.training, out=out, seed=recipe.seed)


def finetune_text_model(
    start: str | Path, examples: Sequence[TextExample], *, training: TrainingConfig, out: Path, seed: int = 0
) -> Path:
    """Take a checkpoint further on other examples; it keeps its codecs. Returns the folder for use.

    Raises:
        ValueError: As `train_text_model`, or if there is no such checkpoint.
        KeyboardInterrupt: If it was asked to stop; its checkpoint is written.
    """
    record_config(out, training, is_trained=(out / CHECKPOINT).exists())
    found = load(start)
    return _trained(found.model, found.codecs, examples, training, out=out, seed=seed)


def _codec(recipe: TextModelRecipe, examples: Sequence[TextExample], folder: Path) -> TextCodec:
    if folder.exists():
        return TextCodec.load(folder)
    texts = _some_texts(examples, num_characters=recipe.codec_characters, seed=recipe.seed)
    codec = TextCodec.train(texts, recipe.vocab_size, longest_run=recipe.longest_run)
    codec.save(folder)
    return codec


def _some_texts(examples: Sequence[TextExample], *, num_characters: int, seed: int) -> Iterator[str]:
    """Prompts and replies in a random order, until there are so many characters."""
    for number in generator("codec texts", seed).permutation(len(examples)):
        if num_characters <= 0:
            return
        example = examples[int(number)]
        num_characters -= len(example.prompt) + len(example.reply)
        yield example.prompt
        yield example.reply


def _trained(
    model: OmniModel,
    codecs: CodecSet,
    examples: Sequence[TextExample],
    training: TrainingConfig,
    *,
    out: Path,
    seed: int,
) -> Path:
    data = TextDataset(examples, codecs.text, model.vocabulary, max_tokens=training.row_length)
    _record_data(data, out / DATA)
    folder = out / CHECKPOINT
    if not folder.exists():
        fitted = fit(model, data, training, out / "model", seed=seed, processes=alone())
        save_for_use(folder, model=fitted, codecs=codecs)
    return folder


def _record_data(data: TextDataset, path: Path) -> None:
    told = {"fingerprint": data.fingerprint, "examples": len(data), "tokens": data.num_tokens, "tasks": data.summary()}
    if path.exists():
        before = json.loads(path.read_text())
        if before["fingerprint"] != data.fingerprint:
            raise ValueError(
                f"{path.parent} was begun with {before['examples']} other examples ({before['fingerprint']}); choose "
                "another folder, or delete it"
            )
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(told, indent=1) + "\n")
