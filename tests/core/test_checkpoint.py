"""A folder is whole or refused: torn, foreign and half-written ones never load, and the one before is found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from omniloom.core.checkpoint import keep_newest, latest, read_manifest, write_folder


def fill(folder: Path, text: str = "weights") -> None:
    (folder / "config.json").write_text("{}")
    (folder / "codecs" / "text").mkdir(parents=True)
    (folder / "codecs" / "text" / "model.safetensors").write_text(text)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "step-10", fill)


def test_a_written_folder_reads_back_whole(checkpoint: Path) -> None:
    manifest = read_manifest(checkpoint)
    assert sorted(manifest.files) == ["codecs/text/model.safetensors", "config.json"]
    assert manifest.num_bytes == len("weights") + 2
    assert [path.name for path in checkpoint.parent.iterdir()] == ["step-10"]


def test_writing_again_replaces_the_folder_whole(checkpoint: Path) -> None:
    write_folder(checkpoint, lambda folder: (folder / "only.txt").write_text("new"))
    assert sorted(read_manifest(checkpoint).files) == ["only.txt"]
    assert not (checkpoint / "config.json").exists()
    assert [path.name for path in checkpoint.parent.iterdir()] == ["step-10"]


def test_whoever_may_read_the_manifest_may_read_all(tmp_path: Path) -> None:
    def write(folder: Path) -> None:
        fill(folder)
        (folder / "codecs" / "text" / "model.safetensors").chmod(0o600)

    folder = write_folder(tmp_path / "step-10", write)
    modes = {path.stat().st_mode & 0o777 for path in folder.rglob("*") if path.is_file()}
    assert modes == {(folder / "manifest.json").stat().st_mode & 0o777}


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_interrupted_writer_leaves_what_was_there(checkpoint: Path, error: type[BaseException]) -> None:
    def stop_halfway(folder: Path) -> None:
        (folder / "config.json").write_text("half")
        raise error

    with pytest.raises(error):
        write_folder(checkpoint, stop_halfway)
    assert (checkpoint / "config.json").read_text() == "{}"
    read_manifest(checkpoint)
    assert [path.name for path in checkpoint.parent.iterdir()] == ["step-10"]


def test_what_a_killed_writer_left_is_cleared_or_restored(checkpoint: Path) -> None:
    parent = checkpoint.parent
    (parent / ".step-10.partial").mkdir()
    checkpoint.rename(parent / ".step-10.replaced")  # killed between the two renames
    with pytest.raises(RuntimeError):
        write_folder(checkpoint, lambda folder: (_ for _ in ()).throw(RuntimeError()))
    read_manifest(checkpoint)
    write_folder(checkpoint, fill)
    assert [path.name for path in parent.iterdir()] == ["step-10"]


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flip(path: Path) -> None:
    path.write_bytes(b"W" + path.read_bytes()[1:])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "config.json").unlink(), "torn: config.json is missing"),
        (lambda f: truncate(f / "codecs/text/model.safetensors"), "model.safetensors has 6 of 7 bytes"),
        (lambda f: flip(f / "codecs/text/model.safetensors"), "was changed after it was written"),
        (lambda f: truncate_to(f / "manifest.json", 20), "torn: its manifest.json cannot be read"),
        (lambda f: (f / "manifest.json").unlink(), "not written by omniloom: it has no manifest.json"),
        (lambda f: (f / "manifest.json").write_text('{"name": "a web app"}'), "was not written by omniloom"),
        (lambda f: set_version(f / "manifest.json", 99), "version 99"),
        (lambda f: set_files(f / "manifest.json", None), "torn: its manifest.json lists no files"),
        (lambda f: set_files(f / "manifest.json", ["config.json"]), "torn: its manifest.json lists no files"),
        (lambda f: set_files(f / "manifest.json", {"config.json": {"bytes": 2}}), "torn: .* says {'bytes': 2} of con"),
        (lambda f: set_files(f / "manifest.json", {"config.json": {"bytes": "2", "sha256": ""}}), "torn: .* of config"),
        (lambda f: set_files(f / "manifest.json", {"config.json": 2}), "torn: .* says 2 of config.json"),
    ],
)
def test_torn_and_foreign_folders_are_refused(checkpoint: Path, damage, message: str) -> None:
    damage(checkpoint)
    with pytest.raises(ValueError, match=message):
        read_manifest(checkpoint)


def truncate_to(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])


def set_version(path: Path, version: int) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": version}))


def set_files(path: Path, files: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | {"files": files}))


def test_a_quick_check_still_finds_what_is_cut_short(checkpoint: Path) -> None:
    weights = checkpoint / "codecs/text/model.safetensors"
    flip(weights)
    read_manifest(checkpoint, is_thorough=False)
    truncate(weights)
    with pytest.raises(ValueError, match="torn"):
        read_manifest(checkpoint, is_thorough=False)


def test_missing_and_wrong_paths_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_manifest(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="is a file, not a checkpoint folder"):
        read_manifest(tmp_path / "file")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="empty folder"):
        read_manifest(tmp_path / "empty")


def test_somebody_elses_folder_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").write_text("cat")
    with pytest.raises(ValueError, match="not written by omniloom"):
        write_folder(tmp_path / "photos", fill)
    assert (tmp_path / "photos" / "cat.png").read_text() == "cat"


def test_an_empty_folder_may_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert read_manifest(write_folder(tmp_path / "out", fill)).files


def test_latest_goes_by_number_and_skips_torn_ones(tmp_path: Path) -> None:
    assert latest(tmp_path / "nowhere") is None
    assert latest(tmp_path) is None
    for step in (9, 10, 100):
        write_folder(tmp_path / f"step-{step}", fill)
    (tmp_path / ".step-200.partial").mkdir()
    assert latest(tmp_path) == tmp_path / "step-100"
    truncate(tmp_path / "step-100" / "config.json")
    with pytest.warns(UserWarning, match=r"step-100 is torn.*taking the checkpoint before it"):
        assert latest(tmp_path) == tmp_path / "step-10"


def test_keep_newest_leaves_other_folders_alone(tmp_path: Path) -> None:
    for step in (1, 2, 10):
        write_folder(tmp_path / f"step-{step}", fill)
    (tmp_path / "tensorboard-0").mkdir()
    keep_newest(tmp_path, num_kept=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-10", "step-2", "tensorboard-0"]
    with pytest.raises(ValueError, match="at least 1"):
        keep_newest(tmp_path, num_kept=0)
