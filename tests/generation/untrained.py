"""A whole model with random weights: what must be equal is equal before anything is learned.

Random weights hardly ever end a text by themselves, so the grammar's limits are short: replies speak, draw and end.
"""

from functools import cache

import torch

from omniloom import Audio, Image, Omni
from omniloom.codecs.audio import AudioCodec
from omniloom.codecs.bundle import CodecSet
from omniloom.codecs.image import ImageCodec
from omniloom.codecs.text import TextCodec
from omniloom.models import OmniConfig, OmniModel
from omniloom.stream.grammar import ReplyLimits

LIMITS = ReplyLimits(text_tokens=5, frames=4)


@cache
def untrained_codecs() -> CodecSet:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        audio, image = AudioCodec(AudioCodec.Config()), ImageCodec()
    audio.round_weights()
    image.round_weights()
    text = TextCodec.train(["say big red circle top left and seven", "what is this? naïve 猫 🐈"] * 3, 300)
    return CodecSet(text=text, audio=audio.eval().requires_grad_(False), image=image.eval().requires_grad_(False))


def untrained_model(*, context: int = 512, seed: int = 0) -> OmniModel:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = OmniModel(OmniConfig.from_depth(2, context=context), untrained_codecs().vocabulary())
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.2)
    return model


@cache
def untrained_omni(*, context: int = 512) -> Omni:
    return Omni(untrained_model(context=context), untrained_codecs(), limits=LIMITS)


def sound(duration_s: float, *, rate_hz: int = 16_000, seed: int = 0) -> Audio:
    generator = torch.Generator().manual_seed(seed)
    return Audio(torch.randn(round(duration_s * rate_hz), generator=generator) * 0.1, rate_hz)


def picture(seed: int = 0) -> Image:
    generator = torch.Generator().manual_seed(seed)
    return Image(torch.randint(0, 256, (3, 64, 64), dtype=torch.uint8, generator=generator))
