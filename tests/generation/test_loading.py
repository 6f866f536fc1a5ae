"""A checkpoint loads as what was saved, or is refused with one clear error."""

import json

import pytest
import torch

from omniloom import Omni
from omniloom.generation import save_for_use, shipped
from omniloom.generation.loading import load
from tests.generation.untrained import untrained_codecs, untrained_model


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoints") / "mine"
    return save_for_use(folder, model=untrained_model(), codecs=untrained_codecs(), scores={"a": 1}, card="# Mine\n")


@pytest.fixture
def folder(whole, tmp_path):
    import shutil

    return shutil.copytree(whole, tmp_path / "copy")


def test_loaded_equals_saved(whole):
    model = untrained_model()
    for parameter in model.parameters():
        parameter.data = parameter.data.bfloat16().float()
    loaded = Omni.load(whole)
    assert loaded.reply("say", max_tokens=30).ids == Omni(model, untrained_codecs()).reply("say", max_tokens=30).ids
    assert all(torch.equal(a, b) for a, b in zip(loaded.model.parameters(), model.parameters(), strict=True))
    assert (loaded.scores, loaded.card) == ({"a": 1}, "# Mine\n")
    assert Omni.load(str(whole)).vocabulary.size == model.vocabulary.size


def test_an_unknown_name_lists_the_shipped(monkeypatch, tmp_path):
    monkeypatch.setattr("omniloom.generation.loading.shipped", lambda: {"tiny": tmp_path})
    with pytest.raises(
        ValueError, match=r"unknown checkpoint 'small'; shipped are: tiny; or give the path of a folder"
    ):
        load("small")
    with pytest.raises(ValueError, match="there is no checkpoint folder nowhere/at/all"):
        load("nowhere/at/all")


def test_the_shipped_listener_is_not_offered_as_a_model():
    assert "listener" not in shipped()
    assert all((folder / "model.safetensors").is_file() for folder in shipped().values())
    with pytest.raises(ValueError, match="unknown checkpoint 'listener'"):
        load("listener")


def test_a_foreign_folder_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(ValueError, match="was not written by omniloom"):
        load(tmp_path)


def test_a_torn_folder_is_refused(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"is torn: model.safetensors"):
        load(folder)


def test_another_codec_is_refused(whole):
    codecs = untrained_codecs()
    model = untrained_model()
    data = model.vocabulary.to_json()
    data["codecs"][1]["fingerprint"] = "0123456789abcdef"
    model.vocabulary = type(model.vocabulary).from_json(json.loads(json.dumps(data)))
    with pytest.raises(ValueError, match=r"the audio codec .* is not the one .* trained with, 0123456789abcdef"):
        Omni(model, codecs)
    with pytest.raises(ValueError, match="0123456789abcdef"):
        save_for_use(whole.parent / "other", model=model, codecs=codecs)
    assert not (whole.parent / "other").exists()


def test_a_codec_folder_is_no_model(whole):
    with pytest.raises(ValueError, match="not a model for use"):
        load(whole / "codecs" / "image")
