"""A whole model with random weights: what must be equal is equal before anything is learned.

Random weights hardly ever end a text by themselves, so the grammar's limits are short: replies speak, draw and end.

Codecs come in two kinds: those that fold sounds and pictures into few positions, and those that give every code its
own.
"""

from collections.abc import Sequence
from functools import cache

import torch

from omniloom import Audio, Image, Omni
from omniloom.codecs.audio import AudioCodec
from omniloom.codecs.bundle import CodecSet
from omniloom.codecs.image import ImageCodec
from omniloom.codecs.text import TextCodec
from omniloom.models import OmniConfig, OmniModel
from omniloom.stream.folding import fold
from omniloom.stream.grammar import ReplyLimits
from omniloom.stream.parts import Video
from omniloom.stream.vocabulary import CONTROLS, PAD, Vocabulary

LIMITS = ReplyLimits(text_tokens=5, frames=4)


@cache
def untrained_codecs(*, is_folded: bool = False) -> CodecSet:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        audio = AudioCodec(AudioCodec.Config(folds=is_folded))
        image = ImageCodec(ImageCodec.Config(folds=is_folded))
    audio.round_weights()
    image.round_weights()
    text = TextCodec.train(["say big red circle top left and seven", "what is this? naïve 猫 🐈"] * 3, 300)
    return CodecSet(text=text, audio=audio.eval().requires_grad_(False), image=image.eval().requires_grad_(False))


def untrained_model(
    *, context: int = 512, seed: int = 0, is_folded: bool = False, controls: Sequence[str] = CONTROLS
) -> OmniModel:
    vocabulary = Vocabulary(untrained_codecs(is_folded=is_folded).specs, controls=controls)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = OmniModel(OmniConfig.from_depth(2, context=context), vocabulary)
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.2)
    return model


@cache
def untrained_omni(*, context: int = 512, is_folded: bool = False, controls: Sequence[str] = CONTROLS) -> Omni:
    model = untrained_model(context=context, is_folded=is_folded, controls=controls)
    return Omni(model, untrained_codecs(is_folded=is_folded), limits=LIMITS)


def uncached_scores(model: OmniModel, ids: Sequence[int]) -> torch.Tensor:
    """All scores after every position of a stream, straight from the model: of first ids, then place by place."""
    positions = fold(ids, model.vocabulary)
    more = torch.full((1, len(positions), model.vocabulary.max_group - 1), PAD)
    for place, position in enumerate(positions):
        more[0, place, : len(position.ids) - 1] = torch.tensor(position.ids[1:])
    hidden = model(
        torch.tensor([[position.ids[0] for position in positions]]),
        torch.tensor([[position.slot for position in positions]]),
        more=more,
    ).last
    table, places = model.embedding.table(), range(len(model.vocabulary.reply_places))
    scores = [model.logits(hidden), *(model.place_logits(hidden, number, table=table) for number in places)]
    return torch.cat(scores, dim=-1)[0]


def sound(duration_s: float, *, rate_hz: int = 16_000, seed: int = 0) -> Audio:
    generator = torch.Generator().manual_seed(seed)
    return Audio(torch.randn(round(duration_s * rate_hz), generator=generator) * 0.1, rate_hz)


def picture(seed: int = 0) -> Image:
    generator = torch.Generator().manual_seed(seed)
    return Image(torch.randint(0, 256, (3, 64, 64), dtype=torch.uint8, generator=generator))


def video(*, num_frames: int = 7, sound_s: float = 1.4, seed: int = 0) -> Video:
    generator = torch.Generator().manual_seed(seed)
    frames = torch.randint(0, 256, (num_frames, 3, 40, 48), dtype=torch.uint8, generator=generator)
    return Video(frames, 5.0, sound(sound_s, seed=seed) if sound_s else None)
