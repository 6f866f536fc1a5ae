"""The stream: what a position may know, padding of its own for each place, and the published size."""

from __future__ import annotations

import pytest
import torch

from omniloom.core.randomness import seeded, torch_generator
from omniloom.models.pictures import AttributeClassifier, Contrastive, PictureStream
from omniloom.models.pictures.stream import paper


@pytest.fixture(scope="module")
def stream() -> PictureStream:
    config = PictureStream.Config(
        text_vocabulary=20, image_vocabulary=11, text_length=5, grid=3, width=24, num_layers=5, num_heads=2, kernel=3
    )
    with seeded("untrained stream"):
        found = PictureStream(config)
        for parameter in found.parameters():  # also those that begin at nothing
            torch.nn.init.normal_(parameter, std=0.3)
    return found.eval()


def test_no_place_knows_itself_or_what_comes_later(stream: PictureStream) -> None:
    random = torch_generator("ids")
    text = torch.randint(0, 20, (1, 5), generator=random)
    codes = torch.randint(0, 11, (1, 9), generator=random)
    with torch.inference_mode():
        before = stream(text, codes)
        for place in range(9):
            changed = codes.clone()
            changed[0, place:] = (changed[0, place:] + 1) % 11
            after = stream(text, changed)
            torch.testing.assert_close(after.text, before.text)
            torch.testing.assert_close(after.image[:, : place + 1], before.image[:, : place + 1])
            if place < 8:
                assert not torch.allclose(after.image[:, place + 1 :], before.image[:, place + 1 :])
        other = text.clone()
        other[0, 2:] = (other[0, 2:] + 1) % 20
        after = stream(other, codes)
    torch.testing.assert_close(after.text[:, :3], before.text[:, :3])
    assert not torch.allclose(after.image[:, 0], before.image[:, 0])


def test_each_place_has_a_padding_of_its_own(stream: PictureStream) -> None:
    assert stream.pad([7, 3]) == [7, 3, 22, 23, 24]
    assert stream.pad([1, 2, 3, 4, 5]) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("length", [0, 6])
def test_captions_that_do_not_fit_are_refused(stream: PictureStream, length: int) -> None:
    with pytest.raises(ValueError, match=f"1 to 5 tokens, this one has {length}"):
        stream.pad([1] * length)


def test_the_published_stream_takes_256_tokens_and_no_more() -> None:
    with torch.device("meta"):
        stream = PictureStream(PictureStream.Config(text_vocabulary=300, image_vocabulary=8, grid=2, num_layers=1))
    assert len(stream.pad([1] * 256)) == 256
    with pytest.raises(ValueError, match="1 to 256 tokens, this one has 257"):
        stream.pad([1] * 257)


def test_the_published_size_is_twelve_billion() -> None:
    config = paper()
    assert config.layer_masks[:4] == ("row", "column", "row", "row")
    # Attention has 4 matrices of width x width a layer, feed-forward 3 of width x hidden; the whole is not built here.
    weights = config.num_layers * (4 * config.width**2 + 3 * config.width * config.hidden_width)
    assert weights == pytest.approx(12e9, rel=0.02)
    assert (config.text_length, config.num_codes) == (256, 1024)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": 25}, "multiple of num_heads"),
        ({"num_layers": 0}, "at least 1"),
        ({"masks": ("row",)}, "one for each of 6 layers"),
    ],
)
def test_streams_that_cannot_be_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PictureStream.Config(text_vocabulary=9, image_vocabulary=9, **settings)


def test_a_caption_has_the_same_vector_alone_and_beside_a_longer_one() -> None:
    with seeded("untrained reranker"):
        network = Contrastive(Contrastive.Config(text_vocabulary=30, width=16, num_heads=2, space=8)).eval()
    short, long = torch.tensor([[4, 5]]), torch.tensor([[4, 5, 0, 0], [6, 7, 8, 9]])
    with torch.inference_mode():
        alone = network.text_vectors(short, torch.ones(1, 2, dtype=torch.bool))
        beside = network.text_vectors(long, torch.tensor([[True, True, False, False], 4 * [True]]))
    torch.testing.assert_close(beside[0], alone[0])
    assert float(beside.norm(dim=-1).sub(1).abs().max()) < 1e-5


def test_the_judge_scores_every_colour_and_object() -> None:
    judge = AttributeClassifier(AttributeClassifier.Config(num_colours=9, num_objects=5, width=4)).eval()
    logits = judge(torch.rand(2, 3, 32, 32, generator=torch_generator("pixels")))
    assert logits.colours.shape == (2, 9)
    assert logits.objects.shape == (2, 5)
