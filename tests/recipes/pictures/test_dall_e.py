"""A small `dall-e` run: whole stages are skipped, and what it made draws, chooses and is measured."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tests.support.emoji import made_up_emoji
from tests.support.small_run import small_recipe

from omniloom.cli import main
from omniloom.core.randomness import torch_generator
from omniloom.data.emoji.coloured import HELD_OUT, coloured_pairs
from omniloom.evaluation.pictures import Judge, PictureRun, held_out, measured, rows_of
from omniloom.evaluation.suites import Checkpoint, Job, suite
from omniloom.recipes.pictures import train_dall_e
from omniloom.recipes.pictures.batches import CaptionedBatches, PictureBatches, prepare_codes, roughened
from omniloom.reproductions.dall_e.claims import claim_rows, quick_recipe, reproduce
from omniloom.stream.parts import Image


@pytest.fixture(scope="module", autouse=True)
def emoji() -> Iterator[None]:
    with made_up_emoji():
        yield


@pytest.fixture(scope="module")
def folder(emoji: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_dall_e(small_recipe(), out=tmp_path_factory.mktemp("run") / "dall-e")


@pytest.fixture(scope="module")
def run(folder: Path) -> PictureRun:
    return PictureRun.load(folder)


def weights(path: Path) -> dict[str, torch.Tensor]:
    return load_file(str(path / "model.safetensors"))


def test_a_run_without_some_stages_makes_these_alone_and_the_same(folder: Path, tmp_path: Path) -> None:
    """A second run is stopped after its codecs; what it makes after that equals what the first made in one go."""
    from omniloom.recipes.pictures.dall_e import picture_codec, text_codec

    again = tmp_path / "again"
    text_codec(small_recipe(), again)
    picture_codec(small_recipe(), again, "dvae")
    made_at = (again / "dvae" / "codec" / "manifest.json").stat().st_mtime_ns
    train_dall_e(small_recipe(), out=again, is_resuming=True)
    assert (again / "dvae" / "codec" / "manifest.json").stat().st_mtime_ns == made_at
    for place in ("dvae/codec", "fsq/codec", "drawing/model", "reranker/model", "classifier/model"):
        first, second = weights(folder / place), weights(again / place)
        assert first.keys() == second.keys()
        assert all(torch.equal(first[name], second[name]) for name in first), place


def test_stages_of_other_settings_are_not_taken_for_ones_own(folder: Path) -> None:
    """A quick run's stages would pass for those of a whole one."""
    own = small_recipe()
    for _ in range(2):
        with pytest.raises(ValueError, match=r"was trained by other settings .*num_renderings.*give another --out"):
            train_dall_e(replace(own, num_renderings=own.num_renderings + 1), out=folder)
    assert train_dall_e(own, out=folder) == folder


def test_no_stage_but_the_judges_sees_a_held_out_pair() -> None:
    items = coloured_pairs("train", small_recipe().objects)
    assert len(items) == 3 * 6
    assert not {(item.tint, item.name) for item in items} & HELD_OUT


def test_both_codecs_spend_the_same_and_differ_in_their_bottleneck_alone(run: PictureRun) -> None:
    assert run.dvae.num_codes == run.fsq.num_codes == 16
    assert run.dvae.bottleneck.num_codes == run.fsq.bottleneck.num_codes == 16
    assert replace(run.dvae.config, bottleneck=run.fsq.config.bottleneck) == run.fsq.config


def test_batches_are_functions_of_their_number(run: PictureRun) -> None:
    items = coloured_pairs("train", ("cat", "dog"))
    pictures = [PictureBatches(items, num_rows=3, seed=0).batch(step).pixels for step in (5, 5, 6)]
    assert torch.equal(pictures[0], pictures[1])
    assert not torch.equal(pictures[0], pictures[2])
    pairs = CaptionedBatches(items, run.model.text, run.dvae, num_rows=4, text_length=16, seed=0)
    first, again = pairs.batch(3), pairs.batch(3)
    assert torch.equal(first.pixels, again.pixels)
    assert torch.equal(first.tokens, again.tokens)
    assert len(set(first.meaning.tolist())) == 4


def test_roughened_pictures_stay_pictures() -> None:
    pixels = torch.rand(4, 3, 8, 8, generator=torch_generator("pixels"))
    rough = roughened(pixels, torch_generator("roughened"))
    assert 0 <= float(rough.min()) <= float(rough.max()) <= 1
    assert not torch.equal(rough, pixels)


def test_codes_of_another_codec_are_refused(run: PictureRun, tmp_path: Path) -> None:
    items = coloured_pairs("train", ("cat",))
    made = prepare_codes(tmp_path / "codes", items, run.dvae, num_renderings=2, seed=0)
    assert torch.equal(prepare_codes(tmp_path / "codes", items, run.dvae, num_renderings=2, seed=0), made)
    with pytest.raises(ValueError, match=f"not of {run.fsq.spec.fingerprint}; delete that folder"):
        prepare_codes(tmp_path / "codes", items, run.fsq, num_renderings=2, seed=0)


def test_a_run_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"drawing/model, .* missing; finish it with omniloom train dall-e"):
        PictureRun.load(tmp_path)


def test_what_is_found_of_an_item_does_not_depend_on_the_others(run: PictureRun) -> None:
    items = held_out(run)
    together = list(measured(run, items, num_candidates=3))
    alone = [found for item in items for found in measured(run, [item], num_candidates=3)]
    assert len(together) == 9
    for first, second in zip(together, alone, strict=True):
        assert first.keys() == second.keys()
        assert {name: value for name, value in first.items() if isinstance(value, float)} == pytest.approx(
            {name: value for name, value in second.items() if isinstance(value, float)}, abs=1e-5
        )


def test_the_best_is_the_one_with_the_highest_score(run: PictureRun) -> None:
    [found] = measured(run, held_out(run, limit=1), num_candidates=5)
    images = run.model.draw(found["caption"], num_pictures=5)
    scores = run.reranker.scores(found["caption"], images)
    assert found["best"] == int(scores.argmax())
    assert found["best_score"] == pytest.approx(float(scores.max()), abs=1e-5)
    assert found["first_score"] == pytest.approx(float(scores[0]), abs=1e-5)


def test_the_suite_goes_on_from_what_was_kept(folder: Path, tmp_path: Path) -> None:
    import argparse

    own, results = suite("pictures"), tmp_path / "items.jsonl"

    def report(limit: int | None) -> object:
        options = argparse.Namespace(candidates=3, reranker=None, drawn_at=None)
        subject = Checkpoint(str(folder))
        return own.run(Job(suite="pictures", subject=subject, limit=limit, seed=0, options=options, results=results))

    assert report(2).num_asked == 2  # type: ignore[attr-defined]
    whole = report(None)
    assert (whole.num_kept, whole.num_asked) == (2, 7)  # type: ignore[attr-defined]
    assert {row.n for row in whole.rows} == {9}  # type: ignore[attr-defined]


def test_the_claims_are_told_of_a_run(folder: Path, run: PictureRun, tmp_path: Path) -> None:
    result = reproduce(out=tmp_path, checkpoint=str(folder))
    assert result.rows[0].name == "right caption over another"
    assert len(result.rows) == 5
    assert Image.open(tmp_path / "dall-e.png").pixels.shape[0] == 3
    found = [json.loads(line)["value"] for line in (tmp_path / "items.jsonl").read_text().splitlines()[1:]]
    assert claim_rows(found, run, is_quick=False) == result.rows
    quick = claim_rows(found, run, is_quick=True)
    assert [row.holds for row in quick].count("not tested") == 1
    table = rows_of(found, num_candidates=32, chance=run.judge.chance, num_codes=16)
    assert all(row.low <= row.score <= row.high for row in table)


def test_the_quick_recipe_is_the_whole_one_with_less_of_all() -> None:
    quick = quick_recipe()
    assert len(quick.objects) == 16
    assert quick.stream.width == small_recipe().stream.width or quick.stream.text_length == 12


def test_a_judge_knows_what_it_has_learned(run: PictureRun, folder: Path) -> None:
    item = coloured_pairs("composed", ("whale",))[0]
    with pytest.raises(ValueError, match="has not learned whale"):
        run.judge.verdict(torch.rand(1, 3, 32, 32), [item])
    assert run.judge.chance == pytest.approx(1 / 27)
    with pytest.raises(ValueError, match="holds no attribute_classifier"):
        Judge.load(folder / "reranker" / "model")


def test_ask_draws_chooses_and_shows(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    png, grid = tmp_path / "cat.png", tmp_path / "cats.png"
    asked = ["ask", "a blue cat", "--checkpoint", str(folder), "--save", str(png)]
    assert main([*asked, "--best-of", "3", "--grid", str(grid)]) == 0
    assert "of 3" in capsys.readouterr().out
    assert Image.open(png).pixels.shape == (3, 32, 32)
    assert Image.open(grid).pixels.shape[1] > 32
    assert main(asked) == 0
    assert capsys.readouterr() == ("picture 1 of 1\n", "")
    assert main(asked[:-2]) == 0
    assert "not saved (give --save FILE)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--best-of", "0"], "must be a whole number above 0, got '0'"),
        (["--best-of", "3", "--grid", "cats.gif"], "end the name with .png"),
        (["--best-of", "3", "--want", "audio"], "a picture is chosen it is all there is"),
        (["--best-of", "3", "--image", "cat.png"], "by words alone"),
        (["--best-of", "3", "--temperature", "0"], "all 3 pictures are the same; give a temperature above 0"),
        (["--best-of", "3", "--max-tokens", "5"], "leave --max-tokens 5 out"),
    ],
)
def test_ask_refuses(folder: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ask", "a blue cat", "--checkpoint", str(folder), *arguments]) == 2
    assert message in capsys.readouterr().err


def test_ask_refuses_a_grid_of_nothing_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ask", "draw a cat", "--grid", "cats.png"]) == 2
    assert "--grid belongs to --best-of N" in capsys.readouterr().err
    assert main(["ask", "draw a cat", "--best-of", "2"]) == 2
    assert "has no reranker to choose by" in capsys.readouterr().err
