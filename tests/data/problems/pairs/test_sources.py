"""The problems' sources: what is taken of a gettext file, SCAN's lines, WMT's archives, and damage of each."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from omniloom.data.problems import problems
from omniloom.data.problems.pairs import PAIR_SPLITS, TextPair, pair_problem, pair_problem_names, python_docs, scan, wmt
from omniloom.data.public import PublicSource

HERE = pytest.mark.skipif(
    not (Path(os.environ.get("OMNILOOM_DATA", "")) / "python-docs-fr").is_dir(), reason="needs $OMNILOOM_DATA"
)

PO = """
msgid ""
msgstr "Content-Type: text/plain; charset=UTF-8\\n"

msgid "Return :func:`open` if *x* is set.  See ``y`` and `the page <https://x>`_. Done"
msgstr "Renvoie :func:`open` si *x* est mis.  Voir ``y`` et `la page <https://x>`_. Fini"

#, fuzzy
msgid "Not finished"
msgstr "Pas fini"

msgid "Empty"
msgstr ""

msgid "Same"
msgstr "Same"

msgid "One. Two"
msgstr "Un et deux"

#~ msgid "Obsolete"
#~ msgstr "Obsolète"
"""


def test_entries_of_a_gettext_file() -> None:
    found = python_docs.entries(PO.encode(), place="a.po")
    assert [pair.source.split()[0] for pair in found] == ["Return", "Same", "One."]
    assert [pair for entry in found for pair in python_docs.sentences(entry)] == [
        TextPair("Return ◊ if ◊ is set.", "Renvoie ◊ si ◊ est mis."),
        TextPair("See ◊ and ◊.", "Voir ◊ et ◊."),
        TextPair("Done", "Fini"),
        TextPair("One. Two", "Un et deux"),
    ]
    for data in (b"msgid \xff", b'msgid "open\nmsgstr'):
        with pytest.raises(ValueError, match=r"a\.po is no gettext file"):
            python_docs.entries(data, place="a.po")


def test_abbreviations_end_no_sentence() -> None:
    entry = TextPair("Use it, e.g. On Unix. Then stop.", "À utiliser, p. ex. Sous Unix. Puis arrêter.")
    assert [pair.source for pair in python_docs.sentences(entry)] == ["Use it, e.g. On Unix.", "Then stop."]


@pytest.fixture
def documents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A mirror of three files, one of each split."""
    paths = {python_docs.split_of(f"library/{n}.po"): f"library/{n}.po" for n in range(200)}
    folder = tmp_path / "python-docs-fr"
    (folder / "library").mkdir(parents=True)
    digests = {}
    for split, path in paths.items():
        text = f'msgid "page {split}"\nmsgstr "la page {split}"\n\nmsgid "on all"\nmsgstr "partout"\n'
        (folder / path).write_text(text, encoding="utf-8")
        digests[path] = hashlib.sha256(text.encode()).hexdigest()
    monkeypatch.setenv("OMNILOOM_DATA", str(tmp_path))
    monkeypatch.setattr(python_docs, "checksums", lambda: digests)
    python_docs._read_files.cache_clear()
    yield folder / paths["test"]
    python_docs._read_files.cache_clear()


def test_whole_files_are_held_out_and_what_they_share_is_dropped(documents: Path) -> None:
    problem = pair_problem("translate_enfr_python_docs")
    assert {split: [pair.source for pair in problem.pairs(split)] for split in PAIR_SPLITS} == {
        "train": ["page train", "on all"],
        "dev": ["page dev"],
        "test": ["page test"],
    }


def test_a_damaged_file_is_named(documents: Path) -> None:
    documents.write_text("msgid", encoding="utf-8")
    with pytest.raises(ValueError, match=rf"{documents.name} has the checksum .* expected .*; replace it, or choose"):
        pair_problem("translate_enfr_python_docs").pairs("train")


def test_lines_of_scan() -> None:
    assert scan.commands(b"IN: walk twice OUT: I_WALK I_WALK\n", place="x") == [TextPair("walk twice", "I_WALK I_WALK")]
    with pytest.raises(ValueError, match=r"x:2 is not 'IN: command OUT: actions' but 'walk'; replace the file"):
        scan.commands(b"IN: walk OUT: I_WALK\nwalk\n", place="x")


def test_markup_is_put_back_where_it_stood(documents: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    documents.write_bytes(PO.encode())
    path = f"library/{documents.name}"
    digests = python_docs.checksums() | {path: hashlib.sha256(PO.encode()).hexdigest()}
    monkeypatch.setattr(python_docs, "checksums", lambda: digests)
    plain, marked = pair_problem("translate_enfr_python_docs").pairs("test"), python_docs.with_markup("test")
    assert [pair.target for pair in marked][:2] == [
        "Renvoie :func:`open` si *x* est mis.",
        "Voir ``y`` et `la page <https://x>`_.",
    ]
    assert [python_docs.plain(pair.source) for pair in marked] == [pair.source for pair in plain]


def test_a_missing_file_that_cannot_be_downloaded_is_named(
    documents: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents.unlink()
    monkeypatch.setattr(python_docs, "SOURCE", replace(python_docs.SOURCE, url=(tmp_path / "nowhere").as_uri()))
    monkeypatch.setenv("OMNILOOM_CACHE", str(tmp_path / "cache"))
    with pytest.raises(ValueError, match=rf"{documents.name} could not be downloaded .*; connect to the network, or"):
        pair_problem("translate_enfr_python_docs").pairs("train")


@HERE
def test_the_published_sets_are_as_listed_and_share_nothing() -> None:
    for name in ("translate_enfr_python_docs", "scan_simple", "scan_length", "scan_jump"):
        problem = pair_problem(name)
        pairs = {split: problem.pairs(split) for split in PAIR_SPLITS}
        assert problem.sizes == ", ".join(f"{len(own):,} {split}" for split, own in pairs.items())
        held_out = {pair.source for split in ("dev", "test") for pair in pairs[split]}
        assert not held_out & {pair.source for pair in pairs["train"]}
    jump = pair_problem("scan_jump")
    assert any(pair.source == "jump" for pair in jump.pairs("train"))
    longest = max(len(pair.target.split()) for pair in pair_problem("scan_length").pairs("train"))
    assert longest < min(len(pair.target.split()) for pair in pair_problem("scan_length").pairs("test"))


def archive(path: Path, files: dict[str, str]) -> PublicSource:
    """A tar archive of these files, at an address that is a file."""
    with tarfile.open(path, mode="w:gz") as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            tar.addfile(entry, io.BytesIO(text.encode()))
    data = path.read_bytes()
    return PublicSource(name=path.stem, url=path.as_uri(), sha256=hashlib.sha256(data).hexdigest(), num_bytes=len(data))


@pytest.fixture
def archives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """WMT's four archives in small, nothing mirrored or cached."""
    news = "".join(f'<seg id="{n}"> News {n} &amp; more </seg>\n' for n in range(2))
    parts = {
        "EUROPARL": {"training/europarl-v7.de-en.en": "Yes\nNo\n", "training/europarl-v7.de-en.de": "Ja\nNein\n"},
        "COMMON_CRAWL": {"commoncrawl.de-en.en": "a\x0bb\n\n", "commoncrawl.de-en.de": "eins\nzwei\n"},
        "NEWS_COMMENTARY": {
            "training/news-commentary-v9.de-en.en": "Good\n",
            "training/news-commentary-v9.de-en.de": "Gut\n",
        },
        "NEWS_TESTS": {
            "dev/newstest2013.en": "Rain\n",
            "dev/newstest2013.de": "Regen\n",
            "dev/newstest2014-deen-ref.en.sgm": news,
            "dev/newstest2014-deen-src.de.sgm": news,
        },
    }
    for name, files in parts.items():
        monkeypatch.setattr(wmt, name, archive(tmp_path / f"{name.lower()}.tgz", files))
    monkeypatch.delenv("OMNILOOM_DATA", raising=False)
    monkeypatch.setenv("OMNILOOM_CACHE", str(tmp_path / "cache"))


def test_wmt_is_downloaded_and_unpacked(archives: None) -> None:
    problem = pair_problem("translate_ende_wmt14")
    assert problem.pairs("train") == [("Yes", "Ja"), ("No", "Nein"), ("a b", "eins"), ("Good", "Gut")]
    assert problem.pairs("dev") == [("Rain", "Regen")]
    assert problem.pairs("test")[1] == ("News 1 & more", "News 1 & more")


def test_another_archive_and_sides_that_do_not_fit_are_refused(
    archives: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    odd = archive(tmp_path / "odd.tgz", {"dev/newstest2013.en": "Rain\nSun\n", "dev/newstest2013.de": "Regen\n"})
    monkeypatch.setattr(wmt, "NEWS_TESTS", odd)
    with pytest.raises(ValueError, match=r"has 2 sentences and .* has 1; a file is damaged"):
        pair_problem("translate_ende_wmt14").pairs("dev")
    with pytest.raises(ValueError, match="is missing; delete its folder"):
        pair_problem("translate_ende_wmt14").pairs("test")
    (tmp_path / "europarl.tgz").write_bytes(b"changed")
    with pytest.raises(ValueError, match=r"has the checksum .* expected"):
        pair_problem("translate_ende_wmt14").pairs("train")


def test_listing_problems_reads_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMNILOOM_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("OMNILOOM_DATA", raising=False)
    ours = [name for name in pair_problem_names() if problems.get(name).__module__.startswith("omniloom.")]
    assert "translate_enfr_python_docs" in ours
    for name in ours:
        problem = pair_problem(name)
        assert problem.summary and problem.licence and problem.sizes and problem.origin.startswith("https://")
    assert not (tmp_path / "cache").exists()
