"""DALL·E in miniature from nothing, on emoji in colours: about 17 minutes of one idle core.

Stages, each in its own folder and skipped where it is whole, so that a broken-off run goes on at its stage, and that
stage at its last checkpoint:

    text/        the captions' byte-pair encoding
    dvae/ fsq/   two codecs that differ in their bottleneck alone, for the same number of pictures
    codes/       renderings of every training pair as codes of the one that is drawn with
    drawing/     the stream: `generation.pictures.PictureModel` loads it
    reranker/    the contrastive model: `generation.rerank.Reranker` loads it
    classifier/  the judge, which has seen neither codec nor caption

The held-out pairs are in no stage but the judge's, which has to know them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, TypeVar

from omniloom.codecs.image.dvae import ConvolutionSizes, DiscreteVAE, FiniteScalar, GumbelSoftmax
from omniloom.codecs.text import TextCodec
from omniloom.core.randomness import generator, seeded
from omniloom.data.emoji.coloured import OBJECTS, TEMPLATES, TINTS, coloured_pairs
from omniloom.evaluation.pictures import Judge
from omniloom.evaluation.pictures.run_folder import CLASSIFIER, DRAWING, DVAE, FSQ, PLACES, RERANKER
from omniloom.generation.pictures import PictureModel
from omniloom.generation.rerank import Reranker
from omniloom.models.pictures import AttributeClassifier, Contrastive, PictureStream
from omniloom.recipes.pictures.batches import (
    CaptionedBatches,
    LabelledBatches,
    PictureBatches,
    StreamBatches,
    prepare_codes,
)
from omniloom.training import record_config
from omniloom.training.optimizers import AdamW, Muon
from omniloom.training.pictures import (
    AttributeObjective,
    BoundObjective,
    ContrastObjective,
    Relaxation,
    StageTraining,
    StreamObjective,
    fit_stage,
)

TEXT, CODES = "text", "codes"
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class DallERecipe:
    """Every stage's model and training; the vocabularies of the stream are those of the codecs."""

    objects: tuple[str, ...] = OBJECTS
    text_vocabulary: int = 640
    codec: DiscreteVAE.Config = field(
        default_factory=lambda: DiscreteVAE.Config(
            side=32, sizes=ConvolutionSizes(width=24, num_groups=3), bottleneck=GumbelSoftmax.Config(num_codes=512)
        )
    )
    fsq: FiniteScalar.Config = field(default_factory=FiniteScalar.Config)
    relaxation: Relaxation = field(default_factory=Relaxation.short_run)
    codec_training: StageTraining = field(
        default_factory=lambda: StageTraining(
            num_steps=2000, num_rows=32, optimizer=AdamW(rate=6e-3, beta2=0.99, weight_decay=0.0)
        )
    )
    drawn_with: Literal["dvae", "fsq"] = "dvae"
    num_renderings: int = 16
    stream: PictureStream.Config = field(
        default_factory=lambda: PictureStream.Config(
            text_vocabulary=640,
            image_vocabulary=512,
            text_length=12,
            width=160,
            num_layers=5,
            num_heads=5,
            hidden_width=432,
        )
    )
    stream_training: StageTraining = field(
        default_factory=lambda: StageTraining(num_steps=1000, num_rows=32, optimizer=Muon())
    )
    reranker: Contrastive.Config = field(
        default_factory=lambda: Contrastive.Config(
            text_vocabulary=640, text_length=12, width=96, num_image_layers=2, num_text_layers=1
        )
    )
    reranker_training: StageTraining = field(
        default_factory=lambda: StageTraining(num_steps=500, num_rows=64, optimizer=AdamW(rate=2e-3, weight_decay=0.1))
    )
    classifier_width: int = 24
    classifier_training: StageTraining = field(
        default_factory=lambda: StageTraining(num_steps=600, num_rows=64, optimizer=AdamW(rate=3e-3))
    )
    seed: int = 0


def train_dall_e(recipe: DallERecipe, *, out: Path, is_resuming: bool = False) -> Path:
    """Carry out what is not done yet and return the folder; Ctrl-C stops it where it stands.

    Raises:
        ValueError: If the folder was begun with other settings.
        KeyboardInterrupt: If it was asked to stop; the stage's checkpoint is written.
    """
    # A stage that is whole is skipped, so other settings would be told of what was made without them.
    record_config(out, recipe, is_trained=(out / TEXT).exists())
    text = text_codec(recipe, out)
    dvae, fsq = picture_codec(recipe, out, DVAE), picture_codec(recipe, out, FSQ)
    codec = dvae if recipe.drawn_with == DVAE else fsq
    picture_model(recipe, out, text, codec)
    reranker(recipe, out, text, codec)
    judge(recipe, out)
    return out


def text_codec(recipe: DallERecipe, out: Path) -> TextCodec:
    """The captions' codec, learned from those of the training pairs."""
    folder = out / TEXT

    def make() -> TextCodec:
        phrases = [item.phrase for item in coloured_pairs("train", recipe.objects)]
        random = generator("captions for the text codec", recipe.seed)
        more = [TEMPLATES[int(random.integers(len(TEMPLATES)))].format(words) for words in phrases]
        codec = TextCodec.train([*phrases, *more], recipe.text_vocabulary)
        codec.save(folder)
        return codec

    return _once(folder, TextCodec.load, make)


def picture_codec(recipe: DallERecipe, out: Path, name: str) -> DiscreteVAE:
    """The discrete VAE, or with the name of FSQ its double."""

    def make() -> DiscreteVAE:
        config = recipe.codec if name == DVAE else replace(recipe.codec, bottleneck=recipe.fsq)
        with seeded("discrete VAE weights", recipe.seed):
            codec = DiscreteVAE(config)
        training = recipe.codec_training
        batches = PictureBatches(coloured_pairs("train", recipe.objects), num_rows=training.num_rows, seed=recipe.seed)
        objective = BoundObjective(recipe.relaxation, num_steps=training.num_steps, seed=recipe.seed)
        fit_stage(codec, batches, objective, training, out / name / "run")
        codec.round_weights()
        codec.save(out / PLACES[name])
        return codec

    return _once(out / PLACES[name], DiscreteVAE.load, make)


def picture_model(recipe: DallERecipe, out: Path, text: TextCodec, codec: DiscreteVAE) -> PictureModel:
    """The stream with its codecs."""

    def make() -> PictureModel:
        items = coloured_pairs("train", recipe.objects)
        codes = prepare_codes(out / CODES, items, codec, num_renderings=recipe.num_renderings, seed=recipe.seed)
        with seeded("stream weights", recipe.seed):
            stream = PictureStream(recipe.stream)
        model = PictureModel(stream, text, codec)
        training = recipe.stream_training
        batches = StreamBatches(items, codes, stream, text, num_rows=training.num_rows, seed=recipe.seed)
        fit_stage(stream, batches, StreamObjective(stream), training, out / DRAWING / "run")
        model.save(out / PLACES[DRAWING])
        return model

    return _once(out / PLACES[DRAWING], PictureModel.load, make)


def reranker(recipe: DallERecipe, out: Path, text: TextCodec, codec: DiscreteVAE) -> Reranker:
    """The contrastive model."""

    def make() -> Reranker:
        with seeded("reranker weights", recipe.seed):
            found = Reranker(Contrastive(recipe.reranker), text)
        training = recipe.reranker_training
        batches = CaptionedBatches(
            coloured_pairs("train", recipe.objects),
            text,
            codec,
            num_rows=training.num_rows,
            text_length=recipe.reranker.text_length,
            seed=recipe.seed,
        )
        fit_stage(found.network, batches, ContrastObjective(), training, out / RERANKER / "run")
        found.save(out / PLACES[RERANKER])
        return found

    return _once(out / PLACES[RERANKER], Reranker.load, make)


def judge(recipe: DallERecipe, out: Path) -> Judge:
    """The classifier: it learns all pairs, from renderings that no other stage has seen."""

    def make() -> Judge:
        config = AttributeClassifier.Config(
            num_colours=len(TINTS), num_objects=len(recipe.objects), width=recipe.classifier_width
        )
        with seeded("classifier weights", recipe.seed):
            found = Judge(AttributeClassifier(config), colours=TINTS, objects=recipe.objects)
        training, items = recipe.classifier_training, coloured_pairs("any", recipe.objects)
        batches = LabelledBatches(items, recipe.objects, num_rows=training.num_rows, seed=recipe.seed)
        fit_stage(found.network, batches, AttributeObjective(), training, out / CLASSIFIER / "run")
        found.save(out / PLACES[CLASSIFIER])
        return found

    return _once(out / PLACES[CLASSIFIER], Judge.load, make)


def _once(folder: Path, load: Callable[[Path], T], make: Callable[[], T]) -> T:
    """What is in the folder, or made and put there."""
    return load(folder) if folder.exists() else make()
