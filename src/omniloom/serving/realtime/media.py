"""Sound and drawn pictures as they cross the wire: base64 of PCM or G.711 and of PNG, to and from samples and pixels.

Pictures that clients send are read in `pictures`; rates are changed in `voices`.
"""

from __future__ import annotations

import base64

import numpy as np
import torch
from jaxtyping import Float32

from omniloom.serving import g711
from omniloom.serving.realtime import protocol as p
from omniloom.serving.realtime.limits import RequestError
from omniloom.serving.realtime.pictures import decode_base64
from omniloom.stream.parts import Audio, Image

WIRE_RATE_HZ = 24_000
MODEL_RATE_HZ = 16_000


def rate_of(audio_format: p.AudioFormat) -> int:
    """Samples a second of a format."""
    return audio_format.rate if isinstance(audio_format, p.PcmFormat) else g711.RATE_HZ


def decode_sound(text: str, audio_format: p.AudioFormat, *, param: str) -> Float32[np.ndarray, " N"]:
    """Samples in [-1, 1) from base64 of sound in a format."""
    if isinstance(audio_format, p.PcmFormat):
        return decode_pcm(text, param=param)
    samples = g711.decode(decode_base64(text, param=param), _law(audio_format))
    if isinstance(audio_format, p.PcmaFormat):
        # A-law has no zero, so a silent line sends one of the values beside it again and again. That is no silence to a
        # model that has only ever heard rooms and zeros: it took a speaker's end for a pause.
        samples[np.abs(samples) <= g711.LEAST_PCMA] = 0
    return samples


def encode_sound(samples: Float32[np.ndarray, " N"], audio_format: p.AudioFormat) -> str:
    """Base64 of sound in a format; what is louder than full scale is clipped."""
    if isinstance(audio_format, p.PcmFormat):
        return encode_pcm(samples)
    return base64.b64encode(g711.encode(samples, _law(audio_format))).decode()


def _law(audio_format: p.PcmuFormat | p.PcmaFormat) -> g711.Law:
    return "pcmu" if isinstance(audio_format, p.PcmuFormat) else "pcma"


def decode_pcm(text: str, *, param: str) -> Float32[np.ndarray, " N"]:
    """Samples in [-1, 1) from base64 of 16-bit little-endian mono PCM."""
    data = decode_base64(text, param=param)
    if len(data) % 2:
        raise RequestError(
            f"{param} holds {len(data)} bytes, not a whole number of 16-bit samples", code="invalid_audio", param=param
        )
    return np.frombuffer(data, "<i2").astype(np.float32) / 32768


def encode_pcm(samples: Float32[np.ndarray, " N"]) -> str:
    """Base64 of 16-bit little-endian PCM; what is louder than full scale is clipped."""
    return base64.b64encode((np.clip(samples, -1, 1) * 32767).round().astype("<i2").tobytes()).decode()


def encode_image(image: Image) -> str:
    """Base64 of the picture as PNG."""
    return base64.b64encode(image.to_bytes("PNG")).decode()


def to_audio(samples: Float32[np.ndarray, " N"]) -> Audio:
    return Audio(torch.from_numpy(np.array(samples, np.float32)), MODEL_RATE_HZ)
