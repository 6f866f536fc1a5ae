"""Coverage knows nothing of colour, and colour nothing of shape; both before any training."""

import pytest
import torch

from omniloom.codecs.image import separate
from omniloom.data.scenes import COLOURS, POSITIONS, RGB, SHAPES, SIZES, Scene, SceneObject, coverage, render


def drawing(shape: str, colour: str, size: str, position: str = "top left") -> torch.Tensor:
    scene = Scene((SceneObject(shape=shape, colour=colour, size=size, position=position),))
    return render(scene).pixels[None].float() / 255


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", SIZES)
def test_coverage_is_the_silhouette_in_every_colour(shape: str, size: str) -> None:
    found = [separate(drawing(shape, colour, size)).coverage for colour in COLOURS]
    assert all(torch.equal(other, found[0]) for other in found)
    silhouette = torch.from_numpy(coverage(shape, radius_px={"small": 8.0, "big": 13.0}[size]))
    # Where no pixel nearby is covered whole (the very tip of a star), coverage is relative to the best covered one.
    assert (found[0][0, 0, :32, :32] - silhouette).abs().mean() < 0.01


@pytest.mark.parametrize("colour", COLOURS)
def test_colour_is_the_ink_in_every_shape(colour: str) -> None:
    ink = 1 - torch.tensor(RGB[colour]) / 255
    for shape in SHAPES:
        for size in SIZES:
            found = separate(drawing(shape, colour, size)).colour
            torch.testing.assert_close(found[0, :3, :2, :2], ink[:, None, None].expand(3, 2, 2), rtol=0, atol=1e-6)
            assert found[0, 3].tolist() == [[1, 1, 0, 0], [1, 1, 0, 0], [0] * 4, [0] * 4]


def test_neighbours_leave_an_object_alone() -> None:
    faint = SceneObject(shape="star", colour="pink", size="big", position="top left")
    around = [
        SceneObject(shape=shape, colour="black", size="big", position=position)
        for shape, position in zip(("circle", "ring"), POSITIONS[1:3], strict=True)
    ]
    both = separate(render(Scene((faint, *around))).pixels[None].float() / 255)
    alone = separate(render(Scene((faint,))).pixels[None].float() / 255)
    assert torch.equal(both.coverage[..., :32, :32], alone.coverage[..., :32, :32])
    assert torch.equal(both.colour[..., :2, :2], alone.colour[..., :2, :2])


def test_paper_and_faint_noise_are_empty() -> None:
    noise = 1 - torch.rand(1, 3, 64, 64) * 4 / 255
    for pixels in (torch.ones(1, 3, 64, 64), noise):
        found = separate(pixels)
        assert not found.coverage.any() and not found.colour.any()
