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

from omniloom.data.public import PublicSource, data_folder


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
