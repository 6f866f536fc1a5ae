"""Sound files: what is written is read back by another library, streams hold what whole files hold, junk is refused."""

from __future__ import annotations

import io
from typing import get_args

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from omniloom.serving.sounds import FORMATS, WRITTEN_HZ, SoundFormat, SoundWriter, read_sound, reader_of, write_sound

TONE_HZ = 440
RATE_HZ = 16_000
EXACT = ("flac", "wav", "pcm")
LOSSES: dict[str, float] = {"mp3": 0.1, "opus": 0.1, "aac": 0.1}
"""Of a steady tone's amplitude that the coarse formats may take or add."""


@pytest.fixture
def tone() -> np.ndarray:
    return (0.3 * np.sin(np.arange(WRITTEN_HZ * 2) * 2 * np.pi * TONE_HZ / WRITTEN_HZ)).astype(np.float32)


def streamed(samples: np.ndarray, format: SoundFormat, piece: int = 1920) -> list[bytes]:
    writer = SoundWriter(format)
    found = [writer.push(samples[start : start + piece]) for start in range(0, samples.size, piece)]
    return [*found, writer.finish()]


def read(data: bytes, format: SoundFormat) -> np.ndarray:
    if format == "pcm":
        return np.frombuffer(data, "<i2").astype(np.float32) / 32767
    return read_sound(data, rate_hz=WRITTEN_HZ, max_s=60)


@pytest.mark.parametrize("format", get_args(SoundFormat))
@pytest.mark.parametrize("is_streamed", [False, True])
def test_what_is_written_is_heard_again(tone: np.ndarray, format: SoundFormat, is_streamed: bool) -> None:
    data = b"".join(streamed(tone, format)) if is_streamed else write_sound(tone, WRITTEN_HZ, format)
    found = read(data, format)
    if format in EXACT:
        np.testing.assert_allclose(found, tone, atol=1.1 / 32767)  # one step of 16 bits: they round differently
        return
    # A frame or two of these formats may stand before and after the sound.
    assert tone.size <= found.size + 1200 and found.size <= tone.size + 3000
    middle = found[WRITTEN_HZ // 2 : WRITTEN_HZ * 3 // 2]
    assert np.abs(np.fft.rfft(middle)).argmax() == TONE_HZ
    assert np.abs(middle).max() == pytest.approx(0.3, rel=LOSSES[format])


@pytest.mark.parametrize("format", ["mp3", "opus", "flac", "wav"])
def test_another_library_reads_them(tone: np.ndarray, format: SoundFormat) -> None:
    files = [write_sound(tone, WRITTEN_HZ, format)]
    if format != "flac":  # soundfile reads no FLAC that does not say how long it is
        files.append(b"".join(streamed(tone, format)))
    for data in files:
        samples, _ = soundfile.read(io.BytesIO(data))
        assert np.abs(samples).max() == pytest.approx(0.3, rel=0.1)


@pytest.mark.parametrize("format", get_args(SoundFormat))
def test_a_stream_sends_while_it_is_written(tone: np.ndarray, format: SoundFormat) -> None:
    pieces = streamed(tone, format)
    half = b"".join(pieces[: len(pieces) // 2])
    assert len(half) > 0.3 * len(b"".join(pieces))


@pytest.mark.parametrize("format", get_args(SoundFormat))
def test_no_sound_is_a_file_without_sound(format: SoundFormat) -> None:
    data = b"".join(streamed(np.zeros(0, np.float32), format))
    if format == "wav":
        assert reader_of(data) == "wav"
    with pytest.raises(ValueError):
        read_sound(data, rate_hz=RATE_HZ, max_s=60)


def test_a_sound_is_read_at_the_rate_that_is_asked_for(tone: np.ndarray) -> None:
    data = write_sound(tone, WRITTEN_HZ, "wav")
    assert read_sound(data, rate_hz=RATE_HZ, max_s=60).size == pytest.approx(2 * RATE_HZ, abs=32)


def test_channels_are_averaged(tone: np.ndarray) -> None:
    buffer = io.BytesIO()
    soundfile.write(buffer, np.stack([tone, np.zeros_like(tone)], axis=1), WRITTEN_HZ, format="WAV", subtype="FLOAT")
    found = read_sound(buffer.getvalue(), rate_hz=WRITTEN_HZ, max_s=60)
    np.testing.assert_allclose(found, tone / 2, atol=1e-6)


def test_what_is_too_long_is_refused(tone: np.ndarray) -> None:
    with pytest.raises(ValueError, match="longer than 1 s"):
        read_sound(write_sound(tone, WRITTEN_HZ, "flac"), rate_hz=WRITTEN_HZ, max_s=1)


def test_a_playlist_is_not_opened() -> None:
    with pytest.raises(ValueError, match="no format"):
        reader_of(b"#EXTM3U\n#EXTINF:10,\nhttp://127.0.0.1:9/x.wav\n")


@given(st.sampled_from([format for format in FORMATS if format != "pcm"]), st.integers(0, 400), st.binary(max_size=40))
def test_torn_files_are_refused_or_read(format: SoundFormat, place: int, junk: bytes) -> None:
    tone = (0.3 * np.sin(np.arange(4800) * 0.1)).astype(np.float32)
    data = write_sound(tone, WRITTEN_HZ, format)
    torn = data[:place] + junk + data[place + len(junk) :]
    try:
        found = read_sound(torn, rate_hz=RATE_HZ, max_s=60)
    except ValueError:
        return
    assert found.dtype == np.float32 and found.size
