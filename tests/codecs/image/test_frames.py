"""Frames go through the networks of pictures; codecs from before there were frames or folds are as they were."""

import json
from importlib.resources import files
from pathlib import Path

import pytest
import torch

from omniloom.codecs.image import ImageCodec
from omniloom.core.randomness import generator
from omniloom.data.clips import random_frame

SHIPPED = Path(str(files("omniloom"))) / "checkpoints" / "tiny"


@pytest.fixture(scope="module")
def codec() -> ImageCodec:
    """Untrained: everything asked here holds for any weights."""
    torch.manual_seed(0)
    codec = ImageCodec(ImageCodec.Config(encoder_width=32, decoder_width=16, colour_width=16))
    for parameter in (*codec.coverage_encoder.parameters(), *codec.colour_encoder.parameters()):
        parameter.data.mul_(3)
    codec.round_weights()
    return codec.eval()


@pytest.fixture(scope="module")
def frames() -> torch.Tensor:
    random = generator("test frames")
    shown = [random_frame(random, pairs="any", is_still=False)[1].pixels for _ in range(16)]
    return torch.stack(shown).float() / 255


def test_batched_equals_alone(codec: ImageCodec, frames: torch.Tensor) -> None:
    together = codec.encode_frames(frames)
    assert together.shape == (16, 20) and together.unique().numel() > 30
    for frame, codes in zip(frames, together, strict=True):
        assert torch.equal(codec.encode_frames(frame[None])[0], codes)
    decoded = codec.decode_frames(together)
    assert decoded.shape == frames.shape
    for codes, row in zip(together, decoded, strict=True):
        # A convolution may sum in another order for another batch: float32's own error.
        torch.testing.assert_close(codec.decode_frames(codes[None])[0], row, rtol=0, atol=1e-5)


def test_colours_come_first_each_with_its_plane_s_offset(codec: ImageCodec, frames: torch.Tensor) -> None:
    codes = codec.encode_frames(frames)
    assert codes[:, :4].min() >= 0 and codes[:, :4].max() < 512
    assert codes[:, 4:].min() >= 512 and codes[:, 4:].max() < 1512
    with pytest.raises(ValueError, match=r"0\.\.511"):
        codec.decode_frames(codes + 600)


def test_a_code_stands_for_the_same_in_a_frame_as_in_a_picture(codec: ImageCodec, frames: torch.Tensor) -> None:
    """What is far from any neighbour: one whose ink is within a quadrant, put into the corner of a white picture."""
    white = torch.ones(1, 3, 32, 32)
    white[:, :, 4:12, 4:12] = torch.tensor([0.5, 0.25, 0.1])[:, None, None]
    picture = torch.ones(1, 3, 64, 64)
    picture[:, :, :32, :32] = white
    colour, coverage, _ = codec.encode_pixels(picture)[0].split([16, 64, 1])
    expected = [colour.view(4, 4)[:2, :2].flatten(), coverage.view(8, 8)[:4, :4].flatten()]
    assert torch.equal(codec.encode_frames(white)[0], torch.cat(expected))


def test_a_group_is_a_block_s_colour_and_the_silhouettes_in_it(codec: ImageCodec) -> None:
    spec = codec.spec
    assert sorted(place for group in spec.groups for place in group) == list(range(81))
    assert sorted(place for group in spec.frame_groups for place in group) == list(range(20))
    assert [len(spec.groups), len(spec.frame_groups)] == [17, 4]
    empty = codec.encode_frames(torch.ones(1, 3, 32, 32))[0]
    for index, group in enumerate(spec.frame_groups):
        # Ink in one block changes the codes of its group alone.
        frame = torch.ones(1, 3, 32, 32)
        row, column = divmod(index, 2)
        frame[:, :, 16 * row + 2 : 16 * row + 14, 16 * column + 2 : 16 * column + 14] = 0.2
        changed = (codec.encode_frames(frame)[0] != empty).nonzero().flatten().tolist()
        assert changed and set(changed) <= set(group)
    assert spec.groups[0] == (80,)  # the paper
    assert spec.groups[6] == (5, 16 + 18, 16 + 19, 16 + 26, 16 + 27)


def test_a_saved_codec_folds_as_before(codec: ImageCodec, tmp_path: Path) -> None:
    codec.save(tmp_path / "folds")
    assert ImageCodec.load(tmp_path / "folds").spec == codec.spec
    plain = ImageCodec(ImageCodec.Config(encoder_width=32, decoder_width=16, colour_width=16, folds=False)).eval()
    plain.save(tmp_path / "plain")
    assert "folds" not in json.loads((tmp_path / "plain" / "config.json").read_text())
    loaded = ImageCodec.load(tmp_path / "plain")
    assert loaded.config == plain.config and not loaded.config.folds
    assert loaded.spec.groups == loaded.spec.frame_groups == ()


def test_the_codec_of_a_shipped_model_is_unchanged() -> None:
    vocabulary = json.loads((SHIPPED / "vocabulary.json").read_text())
    written = {item["modality"]: item["fingerprint"] for item in vocabulary["codecs"]}
    spec = ImageCodec.load(SHIPPED / "codecs" / "image").spec
    assert spec.fingerprint == written["image"]
