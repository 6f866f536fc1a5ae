"""Media as files from which a server reads what stands in them exactly: floats, and frames without loss."""

from __future__ import annotations

import io
from fractions import Fraction

import numpy as np
import soundfile

from omniloom.stream.parts import Audio, Video


def sound_bytes(audio: Audio, *, rate_hz: int | None = None) -> bytes:
    """A WAV file of 32-bit floats, at another rate where one is given."""
    sound = audio if rate_hz is None else audio.resampled(rate_hz)
    buffer = io.BytesIO()
    soundfile.write(buffer, sound.samples.numpy(), sound.rate_hz, format="WAV", subtype="FLOAT")
    return buffer.getvalue()


def film_bytes(video: Video, *, rate_hz: int | None = None) -> bytes:
    """A Matroska file of FFV1 pictures, and of 32-bit floats where the film has a sound (extra `serve`, for PyAV).

    FFV1 keeps every pixel as it is; few players show it, and none needs to.
    """
    import av

    buffer = io.BytesIO()
    rate = Fraction(video.rate_fps).limit_denominator(1_000_000)
    container = av.open(buffer, "w", format="matroska")
    pictures = container.add_stream("ffv1", rate=rate)
    pictures.height, pictures.width = video.frames.shape[2:]
    pictures.pix_fmt = "bgr0"
    sound = None if video.sound is None else video.sound if rate_hz is None else video.sound.resampled(rate_hz)
    voice = None if sound is None else container.add_stream("pcm_f32le", rate=sound.rate_hz, layout="mono")
    for number, frame in enumerate(video.frames):
        shown = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame.permute(1, 2, 0).numpy()), format="rgb24")
        shown.pts, shown.time_base = number, 1 / rate
        container.mux(pictures.encode(shown))
    container.mux(pictures.encode(None))
    if sound is not None and voice is not None:
        said = av.AudioFrame.from_ndarray(sound.samples.numpy()[None], format="flt", layout="mono")
        said.sample_rate, said.pts = sound.rate_hz, 0
        container.mux(voice.encode(said))
        container.mux(voice.encode(None))
    container.close()
    return buffer.getvalue()
