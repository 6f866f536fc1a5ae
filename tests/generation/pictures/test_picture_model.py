"""A picture model draws from its cache what the whole stream predicts, and a reranker puts candidates in order."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from tests.support.small_pictures import small_picture_model, small_reranker, small_text

from omniloom.codecs.image.dvae import ConvolutionSizes, DiscreteVAE, GumbelSoftmax
from omniloom.core.checkpoint import write_folder
from omniloom.core.randomness import torch_generator
from omniloom.generation import TokenChoice
from omniloom.generation.pictures import PictureModel, is_picture_model
from omniloom.generation.rerank import Reranker, best_of, grid_of
from omniloom.generation.rerank.best_of import ranked
from omniloom.stream.parts import Image

GREEDY = TokenChoice(temperature=0.0)


@pytest.fixture(scope="module")
def model() -> PictureModel:
    return small_picture_model()


@pytest.fixture(scope="module")
def reranker() -> Reranker:
    return small_reranker()


def test_cached_greedy_codes_are_those_of_the_whole_stream(model: PictureModel) -> None:
    [[codes]] = model.draw_codes(["a blue cat"], num_pictures=1, choice=GREEDY)
    text, whole = torch.tensor([model.tokens("a blue cat")]), torch.zeros(1, 16, dtype=torch.long)
    with torch.inference_mode():
        for place in range(16):
            whole[0, place] = model.stream(text, whole).image[0, place].argmax()
    assert torch.equal(codes, whole[0])


def test_cached_states_are_those_of_the_whole_stream(model: PictureModel) -> None:
    from omniloom.generation.pictures.model import SharedPrefixCache

    stream, text = model.stream, torch.tensor([model.tokens("a cat")])
    codes = torch.randint(0, 8, (3, 16), generator=torch_generator("codes"))
    with torch.inference_mode():
        whole = stream(text.expand(3, -1), codes).image
        cache = SharedPrefixCache(stream, num_prompts=1)
        states = stream.run(stream.embed(text, None), cache=cache)[:, -1].expand(3, -1)
        cache.share(3)
        for place in range(16):
            torch.testing.assert_close(stream.image_head(states), whole[:, place], rtol=0, atol=1e-5)
            x = stream.embed(None, codes[:, place : place + 1], first_code=place)
            if place < 15:
                states = stream.run(x, first=stream.config.text_length + 1 + place, cache=cache)[:, 0]


def test_a_candidate_is_the_same_alone_and_beside_others(model: PictureModel) -> None:
    captions = ["a cat", "a blue cat"]
    together = model.draw_codes(captions, num_pictures=5, seed=3)
    assert together.shape == (2, 5, 16)
    for number, caption in enumerate(captions):
        assert torch.equal(model.draw_codes([caption], num_pictures=2, seed=3)[0], together[number, :2])


def test_many_candidates_are_drawn_in_parts_and_the_same(model: PictureModel, monkeypatch: pytest.MonkeyPatch) -> None:
    captions = ["a cat", "a dog"]
    whole = model.draw_codes(captions, num_pictures=5, seed=3)
    monkeypatch.setattr("omniloom.generation.pictures.model.BATCH_ROWS", 2)
    assert torch.equal(model.draw_codes(captions, num_pictures=5, seed=3), whole)


def test_candidates_and_seeds_differ_and_the_same_seed_does_not(model: PictureModel) -> None:
    first, again, other = (model.draw_codes(["a cat"], num_pictures=4, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert len({tuple(row.tolist()) for row in first[0]}) == 4


def test_top_k_of_one_is_greedy(model: PictureModel) -> None:
    choice = TokenChoice(temperature=1.0, top_k=1)
    first = model.draw_codes(["a cat"], num_pictures=2, choice=choice)
    assert torch.equal(first[0, 0], model.draw_codes(["a cat"], num_pictures=1, choice=GREEDY)[0, 0])


@pytest.mark.parametrize(
    ("caption", "number", "message"),
    [
        ("a cat", 0, "number of pictures must be at least 1, got 0"),
        ("  ", 1, "caption is empty"),
        (9 * "cat ", 1, "1 to 6 tokens"),
    ],
)
def test_what_cannot_be_drawn_is_refused(model: PictureModel, caption: str, number: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model.draw(caption, num_pictures=number)


def test_a_saved_model_draws_the_same(model: PictureModel, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    assert is_picture_model(tmp_path / "model")
    assert not is_picture_model(tmp_path)
    loaded = PictureModel.load(tmp_path / "model")
    drawn = [found.draw_codes(["a cat"], num_pictures=3) for found in (loaded, model)]
    assert torch.equal(*drawn)


def test_a_codec_of_another_size_is_refused(model: PictureModel) -> None:
    sizes = ConvolutionSizes(width=4, num_groups=2, decoder_width=4)
    other = DiscreteVAE(DiscreteVAE.Config(side=8, sizes=sizes, bottleneck=GumbelSoftmax.Config(num_codes=9)))
    with pytest.raises(ValueError, match="give the codecs that it was trained with"):
        PictureModel(model.stream, model.text, other)


def test_a_codec_with_other_weights_is_refused(model: PictureModel, tmp_path: Path) -> None:
    model.save(tmp_path / "model")

    def write(path: Path) -> None:
        fields = json.loads((tmp_path / "model" / "config.json").read_text())
        fields["facts"]["codecs"]["image"] = "0123456789abcdef"
        (path / "config.json").write_text(json.dumps(fields))
        (path / "model.safetensors").write_bytes((tmp_path / "model" / "model.safetensors").read_bytes())
        model.text.save(path / "text")
        model.image.save(path / "image")

    write_folder(tmp_path / "foreign", write)
    with pytest.raises(ValueError, match="was trained with the image codec 0123456789abcdef"):
        PictureModel.load(tmp_path / "foreign")


def test_foreign_and_torn_folders_are_refused(model: PictureModel, reranker: Reranker, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    reranker.save(tmp_path / "reranker")
    with pytest.raises(ValueError, match="holds no reranker"):
        Reranker.load(tmp_path / "model")
    with pytest.raises(ValueError, match="holds no picture_model"):
        PictureModel.load(tmp_path / "reranker")
    (tmp_path / "reranker" / "model.safetensors").unlink()
    with pytest.raises(ValueError, match=r"model\.safetensors is missing"):
        Reranker.load(tmp_path / "reranker")
    with pytest.raises(FileNotFoundError, match="no checkpoint folder"):
        Reranker.load(tmp_path / "nowhere")


def test_a_saved_reranker_scores_the_same(model: PictureModel, reranker: Reranker, tmp_path: Path) -> None:
    images = model.draw("a cat", num_pictures=3)
    reranker.save(tmp_path / "reranker")
    found = Reranker.load(tmp_path / "reranker").scores("a cat", images)
    assert torch.equal(found, reranker.scores("a cat", images))
    alone = torch.cat([reranker.scores("a cat", [image]) for image in images])
    torch.testing.assert_close(alone, found)


def test_the_best_comes_first_and_all_are_there(model: PictureModel, reranker: Reranker) -> None:
    found = best_of(model, reranker, "a cat", num_pictures=6, seed=2)
    images = model.draw("a cat", num_pictures=6, seed=2)
    scores = reranker.scores("a cat", images).tolist()
    assert sorted(item.number for item in found) == list(range(6))
    assert [item.score for item in found] == sorted(scores, reverse=True)
    assert all(torch.equal(item.candidate.pixels, images[item.number].pixels) for item in found)


def test_of_equal_ones_the_first_drawn_comes_first() -> None:
    images = [Image(torch.full((3, 2, 2), shade, dtype=torch.uint8)) for shade in range(3)]
    assert [item.number for item in ranked(images, [0.5, 0.7, 0.5])] == [1, 0, 2]


@pytest.mark.parametrize(
    ("caption", "num_images", "message"), [("a cat", 0, "no picture to score"), (40 * "cat ", 1, "1 to 6 tokens")]
)
def test_what_cannot_be_scored_is_refused(reranker: Reranker, caption: str, num_images: int, message: str) -> None:
    images = [Image(torch.zeros(3, 8, 8, dtype=torch.uint8))] * num_images
    with pytest.raises(ValueError, match=message):
        reranker.scores(caption, images)


def test_a_reranker_of_another_vocabulary_is_refused(reranker: Reranker) -> None:
    with pytest.raises(ValueError, match="give the one that it was trained with"):
        Reranker(reranker.network, small_text(vocab_size=300))


def test_a_grid_holds_every_picture_enlarged() -> None:
    shades = [Image(torch.full((3, 2, 2), shade, dtype=torch.uint8)) for shade in (10, 20, 30)]
    sheet = grid_of([("", shades[:2]), ("", shades[2:])], cell_px=8).pixels
    assert [int(sheet[0, 8, 8]), int(sheet[0, 8, 20]), int(sheet[0, 20, 8]), int(sheet[0, 20, 20])] == [10, 20, 30, 255]
    worded = grid_of([("a cat", shades)], cell_px=8, titles=("first", "best"))
    assert worded.pixels.shape[2] > sheet.shape[2]
    with pytest.raises(ValueError, match="at least one picture"):
        grid_of([("a cat", [])])
