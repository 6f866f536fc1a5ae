"""The recipes by name: what `omniloom train` and `omniloom codec` run.

A recipe is a configuration with its defaults and a function that carries it out; the function imports what it needs
when it is called, so that listing recipes loads no model. Where parts meet, they meet in the recipe's own module.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from omniloom.core.registry import Registry


class Run(Protocol):
    """Carries a configuration out in the folder `out`, from its newest checkpoint if asked; returns what it wrote."""

    def __call__(self, config: Any, *, out: Path, is_resuming: bool) -> Path: ...


class Measure(Protocol):
    """Measures a trained codec; returns a dataclass of named numbers."""

    def __call__(self, codec: Any) -> Any: ...


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A named run: one line on what it makes, its complete configuration, and how it is carried out."""

    summary: str
    configure: Callable[[], Any]
    run: Run


@dataclass(frozen=True, kw_only=True)
class CodecRecipe(Recipe):
    """A recipe whose result is a codec, with how it is loaded and measured."""

    load: Callable[[Path], Any]
    measure: Measure


recipes: Registry[Recipe] = Registry("recipe")

CODECS = ("text", "audio", "image")


def codec_recipe(modality: str) -> CodecRecipe:
    """The recipe of the codec of one modality."""
    recipe = recipes.get(f"{modality}-codec")
    assert isinstance(recipe, CodecRecipe)
    return recipe


def _text_config() -> Any:
    from omniloom.recipes.text_codec import TextCodecRecipe

    return TextCodecRecipe()


def _train_text(config: Any, *, out: Path, is_resuming: bool) -> Path:
    from omniloom.recipes.text_codec import train

    train(config).save(out / "codec")
    return out / "codec"


def _load_text(folder: Path) -> Any:
    from omniloom.codecs.text import TextCodec

    return TextCodec.load(folder)


def _measure_text(codec: Any) -> Any:
    from omniloom.recipes.text_codec import measure

    return measure(codec)


def _image_config() -> Any:
    from omniloom.recipes.image_codec import ImageCodecRecipe

    return ImageCodecRecipe()


def _train_image(config: Any, *, out: Path, is_resuming: bool) -> Path:
    from omniloom.recipes.image_codec import train_image_codec

    train_image_codec(config, run_folder=out).save(out / "codec")
    return out / "codec"


def _load_image(folder: Path) -> Any:
    from omniloom.codecs.image import ImageCodec

    return ImageCodec.load(folder)


def _measure_image(codec: Any) -> Any:
    from omniloom.recipes.image_codec_measure import measure_image_codec

    return measure_image_codec(codec)


recipes.add(
    "text-codec",
    CodecRecipe(
        summary="byte-level BPE of 1024 tokens, seconds on one core",
        configure=_text_config,
        run=_train_text,
        load=_load_text,
        measure=_measure_text,
    ),
)
recipes.add(
    "image-codec",
    CodecRecipe(
        summary="64x64 pictures as 80 codes, about five minutes on one core",
        configure=_image_config,
        run=_train_image,
        load=_load_image,
        measure=_measure_image,
    ),
)
