"""A model with random weights whose texts may grow as long as a form needs."""

from functools import cache

from omniloom import Omni
from omniloom.stream.grammar import ReplyLimits
from tests.generation.untrained import untrained_codecs, untrained_model


@cache
def talkative_omni(*, text_tokens: int = 400) -> Omni:
    limits = ReplyLimits(text_tokens=text_tokens, frames=4)
    return Omni(untrained_model(is_folded=True), untrained_codecs(is_folded=True), limits=limits)
