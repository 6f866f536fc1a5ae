"""Audio codecs say whether a heard frame is one position; those that models know already go on not to."""

import json
import shutil
from importlib.resources import files
from pathlib import Path

import pytest
from tests.codecs.small_mimi import small_model

from omniloom.codecs.audio import AudioCodec
from omniloom.codecs.frames import frame_spec
from omniloom.codecs.mimi import MimiCodec
from omniloom.core.checkpoint import write_folder

SHIPPED = Path(str(files("omniloom"))) / "checkpoints" / "tiny"


def test_frame_spec_makes_all_codebooks_one_group() -> None:
    assert frame_spec((10, 10, 10), fingerprint="x", folds=True).groups == ((0, 1, 2),)
    assert frame_spec((10, 10, 10), fingerprint="x").groups == ()


def test_a_new_codec_folds_and_is_saved_so(tmp_path: Path) -> None:
    codec = AudioCodec(AudioCodec.Config()).eval()
    assert codec.spec.groups == ((0, 1),)
    codec.save(tmp_path / "codec")
    assert AudioCodec.load(tmp_path / "codec").spec == codec.spec


def test_a_codec_saved_before_there_were_folds_has_none(tmp_path: Path) -> None:
    codec = AudioCodec(AudioCodec.Config(folds=False)).eval()
    codec.save(tmp_path / "codec")
    config = json.loads((tmp_path / "codec" / "config.json").read_text())
    assert config.pop("folds") is False

    def write(path: Path) -> None:
        shutil.copy(tmp_path / "codec" / "model.safetensors", path)
        (path / "config.json").write_text(json.dumps(config))

    write_folder(tmp_path / "older", write)
    loaded = AudioCodec.load(tmp_path / "older")
    assert not loaded.config.folds and loaded.spec == codec.spec and loaded.spec.groups == ()


def test_the_shipped_model_knows_the_codec_beside_it() -> None:
    vocabulary = json.loads((SHIPPED / "vocabulary.json").read_text())
    written = {item["modality"]: item["fingerprint"] for item in vocabulary["codecs"]}
    assert AudioCodec.load(SHIPPED / "codecs" / "audio").spec.fingerprint == written["audio"]


def test_mimi_folds_unless_its_folder_is_older(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    codec = MimiCodec(small_model(), num_codebooks=4)
    assert codec.spec.groups == ((0, 1, 2, 3),)
    codec.save(tmp_path / "mimi")
    assert MimiCodec.load(tmp_path / "mimi").spec == codec.spec
    config = tmp_path / "older" / "config.json"

    def write(path: Path) -> None:
        codec.model.save_pretrained(path / "model")
        (path / config.name).write_text(json.dumps({"kind": "mimi", "num_codebooks": 4}))

    write_folder(config.parent, write)
    older = MimiCodec.load(config.parent)
    assert older.spec.groups == () and older.spec.fingerprint == codec.spec.fingerprint
