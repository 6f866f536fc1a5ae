"""Files come in as parts or as one clear error each; what goes out comes back."""

import io

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as PillowImage

from omniloom.stream import Audio, Image, Text, as_parts, parts, wanted


def tone(seconds: float, rate_hz: int = 16_000) -> Audio:
    time_s = torch.arange(int(seconds * rate_hz)) / rate_hz
    return Audio(0.5 * torch.sin(2 * torch.pi * 440 * time_s), rate_hz)


def picture(width: int, height: int, kind: str) -> bytes:
    buffer = io.BytesIO()
    PillowImage.new("RGB", (width, height), "red").save(buffer, kind)
    return buffer.getvalue()


def png(width: int, height: int) -> bytes:
    return picture(width, height, "PNG")


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_sound_files_round_trip_to_sixteen_bits(tmp_path, suffix):
    audio = tone(0.3)
    audio.save(tmp_path / f"tone.{suffix}")
    again = Audio.open(tmp_path / f"tone.{suffix}")
    assert again.rate_hz == audio.rate_hz
    torch.testing.assert_close(again.samples, audio.samples, rtol=0, atol=1 / 32_000)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_png_round_trips_exactly(width, height, seed):
    pixels = torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (3, height, width), dtype=np.uint8))
    assert torch.equal(Image.open(Image(pixels).to_bytes()).pixels, pixels)


def test_channels_are_averaged():
    buffer = io.BytesIO()
    soundfile.write(buffer, np.array([[0.5, -0.5], [0.25, 0.75]]), 8000, format="WAV", subtype="FLOAT")
    assert Audio.open(buffer.getvalue()).samples.tolist() == [0.0, 0.5]


@pytest.mark.parametrize("kind", [Audio, Image])
def test_a_file_too_large_is_refused_unread(tmp_path, kind):
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(parts.MAX_FILE_BYTES + 1)  # sparse: no disk is spent
    with pytest.raises(ValueError, match=r"large holds 96,000,001 bytes, at most 96,000,000 are taken; make it"):
        kind.open(path)


@pytest.mark.parametrize("kind", [Audio, Image])
def test_bytes_too_many_are_refused(monkeypatch, kind):
    monkeypatch.setattr(parts, "MAX_FILE_BYTES", 10)
    with pytest.raises(ValueError, match="the given bytes holds 11 bytes"):
        kind.open(bytes(11))


@pytest.mark.parametrize(
    ("rate_hz", "num_channels", "message"),
    [
        (2_000, 1, "rate_hz must be between 4000 and 192000, got 2000"),
        (384_000, 1, "rate_hz must be between 4000 and 192000, got 384000"),
        (8_000, 9, "has 9 channels, at most 8 are taken"),
    ],
)
def test_rate_and_channels_are_refused_before_decoding(monkeypatch, rate_hz, num_channels, message):
    buffer = io.BytesIO()
    soundfile.write(buffer, np.zeros((10, num_channels)), rate_hz, format="WAV")
    monkeypatch.setattr(soundfile.SoundFile, "read", lambda *args, **options: pytest.fail("decoded"))
    with pytest.raises(ValueError, match=message):
        Audio.open(buffer.getvalue())


def test_transparent_pixels_become_paper():
    clear = PillowImage.new("RGBA", (2, 2), (255, 0, 0, 0))
    assert Image.from_pillow(clear).pixels.unique().tolist() == [255]


def test_resized_keeps_the_whole_picture_on_a_square():
    assert Image.open(png(100, 20)).resized(64).pixels.shape == (3, 64, 64)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"RIFF\x00\x00broken", "not a sound file"),
        (b"", "not a sound file"),
        (b"\x89PNG nonsense", "not a sound file"),
    ],
)
def test_broken_sound_is_one_clear_error(data, message):
    with pytest.raises(ValueError, match=message):
        Audio.open(data)


def test_ten_minutes_of_sound_are_refused_by_the_header(tmp_path):
    soundfile.write(tmp_path / "long.wav", np.zeros(600 * 8000, dtype=np.int16), 8000)
    with pytest.raises(ValueError, match=r"lasts 600\.0 s, at most 60 s"):
        Audio.open(tmp_path / "long.wav")


def test_truncated_picture_is_one_clear_error():
    with pytest.raises(ValueError, match="not a picture that can be read"):
        Image.open(png(200, 200)[:150])


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_common_picture_formats_are_read(kind):
    assert Image.open(picture(6, 4, kind)).pixels.shape == (3, 4, 6)


@pytest.mark.parametrize("kind", ["EPS", "TIFF", "ICO", "PPM", "PDF"])
def test_other_picture_formats_never_reach_their_readers(kind):
    with pytest.raises(ValueError, match="use PNG, JPEG, WebP, GIF or BMP"):
        Image.open(picture(16, 16, kind))


def test_twenty_megapixels_are_refused_from_the_header():
    with pytest.raises(ValueError, match="5000 x 4000 pixels, at most 16,000,000"):
        Image.open(png(5000, 4000))


@pytest.mark.parametrize("text", ["", "  ", "\n"])
def test_empty_text_is_refused(text):
    with pytest.raises(ValueError, match="text is empty"):
        Text(text)


def test_missing_file_names_itself(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.wav"):
        Audio.open(tmp_path / "nothing.wav")


@pytest.mark.parametrize(
    ("samples", "message"),
    [(torch.zeros(2, 8), "float32 of shape"), (torch.zeros(0), "no samples"), (torch.tensor([float("nan")]), "NaN")],
)
def test_bad_samples_are_refused(samples, message):
    with pytest.raises(ValueError, match=message):
        Audio(samples, 16_000)


def test_unknown_suffix_names_the_known_ones(tmp_path):
    with pytest.raises(ValueError, match=r"end it with \.wav"):
        tone(0.1).save(tmp_path / "sound.xyz")


def test_strings_stand_for_text_and_other_things_are_refused():
    assert as_parts("hello")[0].text == "hello"
    with pytest.raises(ValueError, match="must be a string"):
        as_parts([3])
    with pytest.raises(ValueError, match="at least one part"):
        as_parts([])


def test_wanted_has_one_normal_form():
    assert wanted("text") == {"text"}
    assert wanted(["text", "audio"]) == wanted("audio") == {"audio"}
    assert wanted(["image", "audio"]) == {"audio", "image"}
    with pytest.raises(ValueError, match="smell"):
        wanted("smell")
