"""Whatever a model's weights are, every reply is of the grammar and decodes."""

from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from omniloom import Sampling
from omniloom.codecs.audio import AudioCodec
from omniloom.stream.grammar import ReplyGrammar
from tests.generation.untrained import LIMITS, untrained_omni

KINDS = {False: untrained_omni(), True: untrained_omni(is_folded=True)}
WANTS = ["text", "audio", "image", ("text", "audio"), ("text", "image"), ("audio", "image"), ("text", "audio", "image")]


@pytest.mark.parametrize(("want", "is_folded"), [*product(WANTS[:1], [False]), *product(WANTS[1:], [False, True])])
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    temperature=st.floats(0, 3),
    top_k=st.none() | st.integers(1, 400),
    top_p=st.floats(0.1, 1),
    min_p=st.floats(0, 1),
    seed=st.integers(0, 2**31),
    max_tokens=st.integers(1, 160),
)
def test_every_reply_decodes(want, is_folded, temperature, top_k, top_p, min_p, seed, max_tokens):
    sampling = Sampling(temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p)
    omni = KINDS[is_folded]
    reply = omni.reply("say", want, sampling=sampling, seed=seed, max_tokens=max_tokens)
    grammar = ReplyGrammar(omni.vocabulary, want, limits=LIMITS)
    state = grammar.start()
    for token in reply.ids:
        state = grammar.advance(state, token)
    assert grammar.is_done(state) == (reply.finish_reason == "stop")
    assert len(reply.ids) <= max_tokens
    if reply.audio is not None:
        assert reply.audio.samples.numel() == reply.usage.audio_tokens // 2 * AudioCodec.samples_per_frame
    assert (reply.image is not None) == (reply.usage.image_tokens == 81)
    if reply.finish_reason == "stop":
        assert "image" not in grammar.wants or reply.image is not None
        assert "audio" not in grammar.wants or reply.audio is not None
