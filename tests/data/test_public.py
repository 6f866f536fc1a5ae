"""Public data: mirror first, then cache, then a checked download; never half a data set."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from omniloom.data.public import PublicFiles, PublicSource, data_folder, mirror_folder, read_files


class QuietHandler(SimpleHTTPRequestHandler):
    """Counts what was asked for instead of printing it."""

    asked: ClassVar[list[str]] = []

    def log_message(self, format, *args):
        self.asked.append(self.path)


@pytest.fixture
def source(tmp_path, monkeypatch):
    """A data set of one file, served on this machine, with an empty cache and no mirror."""
    served = tmp_path / "served"
    served.mkdir()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        entry = tarfile.TarInfo("top-1.0/recordings/a.txt")
        entry.size = 5
        tar.addfile(entry, io.BytesIO(b"hello"))
    (served / "set.tar.gz").write_bytes(buffer.getvalue())
    QuietHandler.asked.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(served)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.delenv("OMNILOOM_DATA", raising=False)
    monkeypatch.setenv("OMNILOOM_CACHE", str(tmp_path / "cache"))
    yield PublicSource(
        name="set",
        url=f"http://127.0.0.1:{server.server_port}/set.tar.gz",
        sha256=hashlib.sha256(buffer.getvalue()).hexdigest(),
        num_bytes=len(buffer.getvalue()),
    )
    server.shutdown()
    server.server_close()


def test_a_download_is_unpacked_once(source):
    folder = data_folder(source)
    assert (folder / "recordings" / "a.txt").read_text() == "hello"
    assert data_folder(source) == folder
    assert len(QuietHandler.asked) == 1


def test_a_wrong_checksum_leaves_nothing_behind(source, tmp_path):
    with pytest.raises(ValueError, match=r"checksum .* expected 00"):
        data_folder(replace(source, sha256="00" * 32))
    assert list((tmp_path / "cache").iterdir()) == []


def test_more_than_was_announced_is_refused(source):
    with pytest.raises(ValueError, match="larger than the 10 bytes"):
        data_folder(replace(source, num_bytes=10))


def test_a_dead_address_names_the_mirror(source):
    with pytest.raises(ValueError, match=r"could not be downloaded .*OMNILOOM_DATA"):
        data_folder(replace(source, url=source.url + ".gone"))


def test_the_mirror_comes_first(source, tmp_path, monkeypatch):
    (tmp_path / "mirror" / "set").mkdir(parents=True)
    monkeypatch.setenv("OMNILOOM_DATA", str(tmp_path / "mirror"))
    assert data_folder(source) == tmp_path / "mirror" / "set"
    assert QuietHandler.asked == []


@pytest.fixture
def files(source, tmp_path):
    """A set of two files beside the other one, and their checksums."""
    (tmp_path / "served" / "a").mkdir()
    for name in ("a/1", "a/2"):
        (tmp_path / "served" / name).write_bytes(name.encode())
    url = source.url.rpartition("/")[0]
    checksums = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("a/1", "a/2")}
    return PublicFiles(name="two", url=url, version="1", max_bytes=10, remedy="or do without"), checksums


def test_files_are_downloaded_once_and_taken_from_the_mirror_first(files, tmp_path, monkeypatch):
    source, checksums = files
    assert read_files(source, checksums) == {"a/1": b"a/1", "a/2": b"a/2"} == read_files(source, checksums)
    assert sorted(QuietHandler.asked) == ["/a/1", "/a/2"]
    (tmp_path / "mirror" / "two" / "a").mkdir(parents=True)
    (tmp_path / "mirror" / "two" / "a" / "1").write_bytes(b"other")
    monkeypatch.setenv("OMNILOOM_DATA", str(tmp_path / "mirror"))
    with pytest.raises(ValueError, match=r"checksum .* expected .* replace it, or do without"):
        read_files(source, checksums)


def test_a_file_that_is_gone_wrong_or_too_large_says_what_to_do(files, tmp_path):
    source, checksums = files
    with pytest.raises(ValueError, match=r"could not be downloaded .*OMNILOOM_DATA, or do without"):
        read_files(source, {"a/3": "00" * 32})
    with pytest.raises(ValueError, match=r"checksum .*OMNILOOM_DATA/two, or do without"):
        read_files(source, {"a/1": "00" * 32})
    with pytest.raises(ValueError, match="larger than the 2 bytes"):
        read_files(replace(source, max_bytes=2), checksums)
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_a_mirror_that_is_not_there_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("OMNILOOM_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match=r"\$OMNILOOM_DATA is .*nowhere, which is no folder; name one that is there"):
        mirror_folder()
