"""A whole `dall-e` run of three made-up emoji, of a few steps a stage: seconds of one core."""

from __future__ import annotations

from dataclasses import replace

from omniloom.codecs.image.dvae import ConvolutionSizes, DiscreteVAE, FiniteScalar, GumbelSoftmax
from omniloom.models.pictures import Contrastive, PictureStream
from omniloom.recipes.pictures import DallERecipe
from omniloom.training.pictures import StageTraining


def small_recipe() -> DallERecipe:
    """Three steps a stage; pictures of 32 pixels as 16 codes of 16."""
    few = StageTraining(num_steps=3, num_rows=4, log_every=1)
    sizes = ConvolutionSizes(width=4, num_groups=4, decoder_width=8)
    return DallERecipe(
        objects=("cat", "dog", "fish"),
        text_vocabulary=320,
        codec=DiscreteVAE.Config(side=32, sizes=sizes, bottleneck=GumbelSoftmax.Config(num_codes=16)),
        fsq=FiniteScalar.Config(levels=(4, 4)),
        codec_training=few,
        num_renderings=2,
        stream=PictureStream.Config(
            text_vocabulary=320,
            image_vocabulary=16,
            text_length=16,
            grid=4,
            width=16,
            num_layers=3,
            num_heads=2,
            hidden_width=24,
        ),
        stream_training=few,
        reranker=Contrastive.Config(text_vocabulary=320, text_length=16, width=16, num_heads=2, space=8),
        reranker_training=replace(few, num_rows=6),
        classifier_width=4,
        classifier_training=few,
    )
