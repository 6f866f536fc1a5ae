"""The recipes by name: what `omniloom train` and `omniloom codec` run.

A recipe is a configuration with its defaults and a function that carries it out. Both are named here and imported when
they are first called, so that listing the recipes loads no model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, Protocol

from omniloom.core.registry import Registry

CODECS: tuple[Literal["text", "audio", "image"], ...] = ("text", "audio", "image")


class Run(Protocol):
    """Carries a configuration out in the folder `out`, from its newest checkpoint if asked; returns what it wrote."""

    def __call__(self, config: Any, *, out: Path, is_resuming: bool) -> Path: ...


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A named run: one line on what it makes, its complete configuration, and how it is carried out.

    `plan(config, num_processes=…, tokens_per_second=…)` says what it will take, as text, on `num_processes` unless
    told otherwise. `is_parallel` is whether several processes may share it.
    """

    summary: str
    configure: Callable[[], Any]
    run: Run
    plan: Callable[..., str] | None = None
    num_processes: int = 1
    is_parallel: bool = False


@dataclass(frozen=True, kw_only=True)
class CodecRecipe(Recipe):
    """A recipe whose result is a codec, with how it is loaded and measured."""

    load: Callable[[Path], Any]
    measure: Callable[[Any], Any]


recipes: Registry[Recipe] = Registry("recipe")


def codec_recipe(modality: str) -> CodecRecipe:
    """The recipe of the codec of one modality."""
    recipe = recipes.get(f"{modality}-codec")
    assert isinstance(recipe, CodecRecipe)
    return recipe


def _later(home: str) -> Callable[..., Any]:
    """What stands at `module:name`, imported when it is called."""
    module, _, path = home.partition(":")

    def call(*arguments: Any, **options: Any) -> Any:
        found: Any = import_module(module)
        for name in path.split("."):
            found = getattr(found, name)
        return found(*arguments, **options)

    return call


def _text_codec(config: Any, *, out: Path, is_resuming: bool) -> Path:
    _later("omniloom.recipes.text_codec:train")(config).save(out / "codec")
    return out / "codec"


def _audio_codec(config: Any, *, out: Path, is_resuming: bool) -> Path:
    _later("omniloom.recipes.audio_codec:train_audio_codec")(config, run_folder=out).save(out / "codec")
    return out / "codec"


def _image_codec(config: Any, *, out: Path, is_resuming: bool) -> Path:
    _later("omniloom.recipes.image_codec:train_image_codec")(config, run_folder=out).save(out / "codec")
    return out / "codec"


def _measure_audio(codec: Any) -> Any:
    # Words are counted by the listener that the package ships, which never heard the codec.
    listener = _later("omniloom.data.speech.listener:Listener.load")()
    return _later("omniloom.recipes.audio_codec_measure:measure_audio_codec")(codec, listener=listener)


recipes.add(
    "tiny",
    Recipe(
        summary="a model like the shipped one from nothing, codecs included: under 90 minutes on two cores with bf16",
        configure=_later("omniloom.recipes.tiny:TinyRecipe"),
        run=_later("omniloom.recipes.tiny:train_tiny"),
        plan=_later("omniloom.recipes.sizes:plan"),
        is_parallel=True,
    ),
)
recipes.add(
    "small",
    Recipe(
        summary="tiny's world at 96 M parameters, for one GPU: planned (--dry-run), not yet trained",
        configure=_later("omniloom.recipes.sizes:small"),
        run=_later("omniloom.recipes.tiny:train_tiny"),
        plan=_later("omniloom.recipes.sizes:plan"),
        is_parallel=True,
    ),
)
recipes.add(
    "base",
    Recipe(
        summary="tiny's world at 1.10 B parameters, for eight GPUs: planned (--dry-run), not yet trained",
        configure=_later("omniloom.recipes.sizes:base"),
        run=_later("omniloom.recipes.tiny:train_tiny"),
        plan=_later("omniloom.recipes.sizes:plan"),
        num_processes=8,
        is_parallel=True,
    ),
)
recipes.add(
    "finetune",
    Recipe(
        summary="a trained model taken further on your own conversations: --set data.folder=FOLDER",
        configure=_later("omniloom.recipes.finetune:FinetuneRecipe"),
        run=_later("omniloom.recipes.finetune:train_finetune"),
        is_parallel=True,
    ),
)
recipes.add(
    "code",
    Recipe(
        summary="a small model of code: the standard library, then functions: 15 minutes on one core",
        configure=_later("omniloom.recipes.code:CodeRecipe"),
        run=_later("omniloom.recipes.code:train_code"),
    ),
)
recipes.add(
    "dall-e",
    Recipe(
        summary="pictures from words: a discrete VAE, one stream, a reranker and a judge; about 17 minutes of one core",
        configure=_later("omniloom.recipes.pictures:DallERecipe"),
        run=_later("omniloom.recipes.pictures:train_dall_e"),
    ),
)
recipes.add(
    "meta",
    Recipe(
        summary="a small model of text that learns mappings from its prompt: about four minutes of one core",
        configure=_later("omniloom.recipes.meta:large"),
        run=_later("omniloom.recipes.meta:train_meta"),
    ),
)
recipes.add(
    "meta-small",
    Recipe(
        summary="the same at half the width, to compare sizes: about two minutes",
        configure=_later("omniloom.recipes.meta:small"),
        run=_later("omniloom.recipes.meta:train_meta"),
    ),
)
recipes.add(
    "reranker",
    Recipe(
        summary="what chooses among pictures that a checkpoint of the world draws: minutes of one core",
        configure=_later("omniloom.recipes.pictures:WorldRerankerRecipe"),
        run=_later("omniloom.recipes.pictures:train_world_reranker"),
    ),
)
recipes.add(
    "text-codec",
    CodecRecipe(
        summary="byte-level BPE of 1280 tokens: seconds on one core",
        configure=_later("omniloom.recipes.text_codec:TextCodecRecipe"),
        run=_text_codec,
        load=_later("omniloom.codecs.text:TextCodec.load"),
        measure=_later("omniloom.recipes.text_codec:measure"),
    ),
)
recipes.add(
    "audio-codec",
    CodecRecipe(
        summary="sound as 50 codes a second: minutes on one core",
        configure=_later("omniloom.recipes.audio_codec:AudioCodecRecipe"),
        run=_audio_codec,
        load=_later("omniloom.codecs.audio:AudioCodec.load"),
        measure=_measure_audio,
    ),
)
recipes.add(
    "image-codec",
    CodecRecipe(
        summary="64x64 pictures as 81 codes: minutes on one core",
        configure=_later("omniloom.recipes.image_codec:ImageCodecRecipe"),
        run=_image_codec,
        load=_later("omniloom.codecs.image:ImageCodec.load"),
        measure=_later("omniloom.recipes.image_codec_measure:measure_image_codec"),
    ),
)
recipes.add(
    "listener",
    Recipe(
        summary="the ear that judges spoken replies: about an hour of one core",
        configure=_later("omniloom.data.speech.listener_training:ListenerTraining"),
        run=_later("omniloom.recipes.listener:train"),
    ),
)
