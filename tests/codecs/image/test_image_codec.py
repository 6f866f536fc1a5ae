"""What must be equal for pictures: batched and alone, moved and in place, saved and in memory, partial and whole."""

from pathlib import Path

import numpy as np
import pytest
import torch

from omniloom.codecs.image import ImageCodec
from omniloom.data.scenes import COLOURS, POSITIONS, SHAPES, Scene, SceneObject, random_scene, render
from omniloom.stream.parts import Image


@pytest.fixture(scope="module")
def codec() -> ImageCodec:
    """Untrained: everything asked here holds for any weights."""
    torch.manual_seed(0)
    codec = ImageCodec(ImageCodec.Config(encoder_width=32, decoder_width=16, colour_width=16))
    # Random weights give few codes; larger ones spread over the quantizer's cells.
    for parameter in (*codec.coverage_encoder.parameters(), *codec.colour_encoder.parameters()):
        parameter.data.mul_(3)
    codec.round_weights()
    return codec.eval()


@pytest.fixture(scope="module")
def pixels() -> torch.Tensor:
    rng = np.random.default_rng(0)
    scenes = [random_scene(rng, num_objects=3, pairs="any") for _ in range(16)]
    return torch.stack([render(scene, jitter=rng).pixels for scene in scenes]).float() / 255


def one(shape: str, colour: str, position: str) -> Image:
    return render(Scene((SceneObject(shape=shape, colour=colour, size="big", position=position),)))


def test_batched_equals_alone(codec: ImageCodec, pixels: torch.Tensor) -> None:
    together = codec.encode_pixels(pixels)
    assert together.shape == (16, 81) and together.unique().numel() > 50
    for row, codes in zip(pixels, together, strict=True):
        image = Image((row * 255).round().to(torch.uint8))
        assert codec.encode(image) == codes.tolist()
    decoded = codec.decode_codes(together)
    for codes, row in zip(together, decoded, strict=True):
        # A convolution may sum in another order for another batch: float32's own error.
        torch.testing.assert_close(codec.decode_codes(codes[None])[0], row, rtol=0, atol=1e-5)


def test_codes_lie_in_their_planes(codec: ImageCodec, pixels: torch.Tensor) -> None:
    colour, coverage, paper = codec.spec.planes
    assert (colour.name, colour.size, colour.levels, colour.count) == ("image.colour", 512, (8, 8, 8), 16)
    assert (coverage.name, coverage.size, coverage.levels, coverage.count) == ("image.coverage", 1000, (8, 5, 5, 5), 64)
    assert (paper.name, paper.size, paper.levels, paper.count) == ("image.paper", 216, (6, 6, 6), 1)
    codes = codec.encode_pixels(pixels)
    assert codes[:, :16].min() >= 0 and codes[:, :16].max() < 512
    assert codes[:, 16:80].min() >= 512 and codes[:, 16:80].max() < 1512
    assert (codes[:, 80] == 1512 + 215).all()  # white


@pytest.mark.parametrize("shape", SHAPES)
def test_recoloured_keeps_coverage_codes(codec: ImageCodec, shape: str) -> None:
    codes = [codec.encode(one(shape, colour, "top left")) for colour in COLOURS]
    assert all(other[16:] == codes[0][16:] for other in codes)


@pytest.mark.parametrize("colour", COLOURS)
def test_reshaped_keeps_colour_codes(codec: ImageCodec, colour: str) -> None:
    codes = [codec.encode(one(shape, colour, "top left")) for shape in SHAPES]
    assert all(other[:16] == codes[0][:16] for other in codes)


def test_moved_takes_its_codes_along(codec: ImageCodec) -> None:
    tiles = []
    for index, position in enumerate(POSITIONS):
        row, column = divmod(index, 2)
        codes = torch.tensor(codec.encode(one("heart", "green", position)))
        colour, coverage = codes[:16].view(4, 4), codes[16:80].view(8, 8)
        tiles.append(
            colour[2 * row : 2 * row + 2, 2 * column : 2 * column + 2].flatten().tolist()
            + coverage[4 * row : 4 * row + 4, 4 * column : 4 * column + 4].flatten().tolist()
        )
    assert all(tile == tiles[0] for tile in tiles)


def test_any_size_is_fitted_on_a_square(codec: ImageCodec) -> None:
    wide = Image(torch.full((3, 20, 100), 90, dtype=torch.uint8))
    assert codec.encode(wide) == codec.encode(wide.resized(64))


def test_saved_equals_in_memory(codec: ImageCodec, pixels: torch.Tensor, tmp_path: Path) -> None:
    codec.save(tmp_path / "codec")
    loaded = ImageCodec.load(tmp_path / "codec")
    assert loaded.spec == codec.spec and loaded.config == codec.config
    codes = codec.encode_pixels(pixels)
    assert torch.equal(loaded.encode_pixels(pixels), codes)
    assert torch.equal(loaded.decode_codes(codes), codec.decode_codes(codes))


def test_fingerprint_changes_with_a_weight(codec: ImageCodec) -> None:
    before = codec.spec.fingerprint
    bias = codec.colour_decoder[0].bias
    bias.data[0] += 1
    try:
        assert codec.spec.fingerprint != before
    finally:
        bias.data[0] -= 1
    assert codec.spec.fingerprint == before


def test_partial_picture_grows_to_the_whole(codec: ImageCodec, pixels: torch.Tensor) -> None:
    codes = codec.encode_pixels(pixels[:1])[0].tolist()
    whole = codec.decode(codes)
    stream = codec.spec.in_groups(codes)
    assert stream != codes and codec.spec.from_groups(stream) == codes
    assert torch.equal(codec.decode_partial(stream).pixels, whole.pixels)
    for num_codes in (0, 1):
        assert bool((codec.decode_partial(stream[:num_codes]).pixels == 255).all())
    half = codec.decode_partial(stream[:40]).pixels
    assert bool((half[:, 32:] == 255).all())
    # Patches whose whole surroundings have come are final; rows 0 and 1 are two patches above what is missing.
    assert torch.equal(half[:, :16], whole.pixels[:, :16])


def test_bad_codes_are_refused(codec: ImageCodec) -> None:
    good = codec.empty_codes().tolist()
    with pytest.raises(ValueError, match="81 codes, got 80"):
        codec.decode(good[:-1])
    with pytest.raises(ValueError, match=r"0\.\.511"):
        codec.decode([512, *good[1:]])
    with pytest.raises(ValueError, match=r"0\.\.999"):
        codec.decode([*good[:-2], 0, good[-1]])
    with pytest.raises(ValueError, match=r"0\.\.215"):
        codec.decode([*good[:-1], 0])


def test_foreign_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="not written by omniloom"):
        ImageCodec.load(tmp_path)


def test_native_equals_torch(codec: ImageCodec, pixels: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    codes = codec.encode_pixels(pixels)
    found = codec.decode_codes(codes)
    monkeypatch.setenv("OMNILOOM_ISA", "reference")
    by_torch = ImageCodec(codec.config).eval()
    by_torch.load_state_dict(codec.state_dict())
    assert torch.equal(by_torch.encode_pixels(pixels), codes)
    torch.testing.assert_close(found, by_torch.decode_codes(codes), rtol=0, atol=1e-5)


def test_changed_weights_are_seen_at_once(codec: ImageCodec, pixels: torch.Tensor) -> None:
    """Neither codes nor pictures are those of weights from before."""
    changed = ImageCodec(codec.config).eval()
    for _ in range(2):
        before = (
            changed.encode_pixels(pixels),
            changed.empty_codes(),
            changed.decode_codes(changed.encode_pixels(pixels)),
        )
        changed.load_state_dict({name: torch.randn_like(value) for name, value in codec.state_dict().items()})
        fresh = ImageCodec(codec.config).eval()
        fresh.load_state_dict(changed.state_dict())
        after = (
            changed.encode_pixels(pixels),
            changed.empty_codes(),
            changed.decode_codes(changed.encode_pixels(pixels)),
        )
        expected = fresh.encode_pixels(pixels), fresh.empty_codes(), fresh.decode_codes(fresh.encode_pixels(pixels))
        for old, new, wanted in zip(before, after, expected, strict=True):
            assert not torch.equal(old, new)
            assert torch.equal(new, wanted)
