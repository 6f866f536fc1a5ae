"""Coloured paper is taken out of a picture, is a code of its own, and is put back; an older codec knows none."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from omniloom.codecs.image import ImageCodec
from omniloom.codecs.image.paper import on_white, paper_codes, paper_of, papers
from omniloom.data.scenes import random_scene, render
from omniloom.stream.parts import Image

LEVELS = (6, 6, 6)
PALE = torch.tensor([0.9, 1.0, 0.7], dtype=torch.float64)


def scene(seed: int = 0) -> torch.Tensor:
    """A picture on white, in 0..1."""
    rng = np.random.default_rng(seed)
    return render(random_scene(rng, num_objects=2, pairs="any"), jitter=rng).pixels.double() / 255


@pytest.fixture(scope="module")
def codec() -> ImageCodec:
    torch.manual_seed(0)
    codec = ImageCodec(ImageCodec.Config(encoder_width=32, decoder_width=16, colour_width=16))
    codec.round_weights()
    return codec.eval()


def test_the_paper_is_what_most_of_the_edge_shows() -> None:
    plain = scene()[None]
    assert torch.equal(paper_of(plain), torch.ones(1, 3, dtype=torch.float64))
    pale = plain * PALE[:, None, None]
    assert torch.allclose(paper_of(pale), PALE[None])
    covered = pale.clone()
    covered[:, :, :40, :2] = 0.1  # ink on a sixth of the edge
    assert torch.allclose(paper_of(covered), PALE[None])
    assert torch.allclose(on_white(pale, paper_of(pale)), plain)


@pytest.mark.parametrize("what", ["a photograph", "a dark sheet"])
def test_where_no_light_paper_shows_there_is_white(what: str) -> None:
    torch.manual_seed(0)
    picture = torch.rand(1, 3, 64, 64) if what == "a photograph" else torch.full((1, 3, 64, 64), 0.3)
    assert torch.equal(paper_of(picture), torch.ones(1, 3))


def test_every_code_stands_for_a_paper_of_its_own() -> None:
    codes = torch.arange(216)
    colours = papers(codes, LEVELS)
    assert torch.equal(paper_codes(colours, LEVELS), codes)
    assert torch.equal(colours[0], torch.full((3,), 0.5)) and torch.equal(colours[215], torch.ones(3))
    assert torch.allclose(papers(torch.tensor([1 + 6 * 2 + 36 * 3]), LEVELS), torch.tensor([[0.6, 0.7, 0.8]]))
    with pytest.raises(ValueError, match=r"0\.\.215, got \[216\]"):
        papers(torch.tensor([216]), LEVELS)


def test_a_picture_has_the_same_codes_on_any_paper_but_that_of_its_paper(codec: ImageCodec) -> None:
    plain = scene()
    on_pale = codec.encode_pixels((plain * PALE[:, None, None])[None])[0]
    on_plain = codec.encode_pixels(plain[None])[0]
    assert torch.equal(on_pale[:-1], on_plain[:-1]) and on_pale[-1] != on_plain[-1]
    assert codec.spec.in_groups(on_pale.tolist())[0] == on_pale[-1]
    sheet = codec.decode_codes(on_pale[None])[0]
    assert torch.allclose(sheet, codec.decode_codes(on_plain[None])[0] * torch.tensor([0.9, 1.0, 0.7])[:, None, None])
    started = codec.decode_partial(codec.spec.in_groups(on_pale.tolist())[:1]).pixels
    assert started.flatten(1).unique(dim=1).flatten().tolist() == [230, 255, 178]


def test_a_codec_from_before_knows_white_paper_only(codec: ImageCodec, tmp_path: Path) -> None:
    old = ImageCodec(ImageCodec.Config(encoder_width=32, decoder_width=16, colour_width=16, paper_levels=())).eval()
    old.load_state_dict(codec.state_dict())
    old.save(tmp_path / "old")
    assert "paper_levels" not in json.loads((tmp_path / "old" / "config.json").read_text())
    loaded, picture = ImageCodec.load(tmp_path / "old"), scene()[None]
    assert loaded.spec == old.spec and len(loaded.spec.planes) == 2
    assert torch.equal(loaded.encode_pixels(picture), codec.encode_pixels(picture)[:, :-1])
    image = Image((picture[0] * 255).round().to(torch.uint8))
    assert torch.equal(loaded.decode(loaded.encode(image)).pixels, codec.decode(codec.encode(image)).pixels)


@pytest.mark.parametrize("levels", [(6, 6), (6, 1, 6)])
def test_levels_of_paper_are_three_or_none(levels: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="paper_levels must be 3 numbers"):
        ImageCodec.Config(paper_levels=levels)
