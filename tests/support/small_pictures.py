"""Untrained models of pictures, of a few thousand weights, that draw and rank in milliseconds."""

from __future__ import annotations

from omniloom.codecs.image.dvae import ConvolutionSizes, DiscreteVAE, GumbelSoftmax
from omniloom.codecs.text import TextCodec
from omniloom.core.randomness import seeded
from omniloom.generation.pictures import PictureModel
from omniloom.generation.rerank import Reranker
from omniloom.models.pictures import Contrastive, PictureStream

NUM_TOKENS, NUM_CODES = 280, 8


def small_text(vocab_size: int = NUM_TOKENS) -> TextCodec:
    """Knows the words of "a blue cat" as one token each."""
    return TextCodec.train(50 * ["a blue cat", " a blue cat cat"], vocab_size)


def small_picture_model() -> PictureModel:
    """Captions of 6 tokens, pictures of 8 x 8 pixels as 4 x 4 codes."""
    config = PictureStream.Config(
        text_vocabulary=NUM_TOKENS,
        image_vocabulary=NUM_CODES,
        text_length=6,
        grid=4,
        width=16,
        num_layers=3,
        num_heads=2,
        hidden_width=24,
        kernel=3,
    )
    sizes = ConvolutionSizes(width=4, num_groups=2, decoder_width=4)
    with seeded("small picture model"):
        codec = DiscreteVAE(
            DiscreteVAE.Config(side=8, sizes=sizes, bottleneck=GumbelSoftmax.Config(num_codes=NUM_CODES))
        )
        stream = PictureStream(config)
        for name, parameter in stream.named_parameters():
            # Blocks begin as nothing; here every one of them must have a say.
            if parameter.ndim == 2:
                parameter.data.normal_(std=0.4 if "places" not in name else 0.8)
    codec.round_weights()
    return PictureModel(stream, small_text(), codec.eval())


def small_reranker() -> Reranker:
    """Captions of 6 tokens, pictures of 8 x 8 pixels."""
    config = Contrastive.Config(
        text_vocabulary=NUM_TOKENS, text_length=6, side=8, patch=4, width=16, num_heads=2, space=8
    )
    with seeded("small reranker"):
        return Reranker(Contrastive(config), small_text())
