"""Both laws of G.711 are FFmpeg's, value by value."""

from __future__ import annotations

import av
import numpy as np
import pytest

from omniloom.serving import g711

NAMES = {"pcmu": "pcm_mulaw", "pcma": "pcm_alaw"}


def codec(law, mode):
    context = av.CodecContext.create(NAMES[law], mode)
    context.sample_rate, context.layout, context.format = g711.RATE_HZ, "mono", "s16"
    return context


@pytest.mark.parametrize("law", NAMES)
def test_every_byte_stands_for_the_value_that_it_has_elsewhere(law):
    (frame,) = codec(law, "r").decode(av.Packet(bytes(range(256))))
    assert np.array_equal(g711.decode(bytes(range(256)), law) * 32768, frame.to_ndarray()[0])


@pytest.mark.parametrize("law", NAMES)
def test_every_sample_becomes_the_byte_that_it_becomes_elsewhere(law):
    samples = np.arange(-32767, 32768, dtype=np.int16)
    frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
    frame.sample_rate = g711.RATE_HZ
    encoder = codec(law, "w")
    expected = b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])
    assert g711.encode((samples / 32767).astype(np.float32), law) == expected


@pytest.mark.parametrize("law", NAMES)
def test_what_is_louder_than_full_scale_is_clipped(law):
    loud = np.array([4.0, -4.0, 1.0, -1.0], np.float32)
    assert g711.encode(loud, law)[:2] == g711.encode(loud, law)[2:]
