"""WMT 2014 English–German and English–French: what the reference Transformer was published on, downloaded when used.

Training is Europarl v7, Common Crawl and News Commentary v9, development newstest2013 and test newstest2014, each from
its public archive with a checksum (1.7 GB together), or from a local mirror. The published English–French runs also had
the UN corpus and the 10^9 corpus; these are left out, so a score here is not comparable with theirs. The pairs are held
in memory: 4.5 million of German take about 3 GB, with as much again for their ids.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import ClassVar

from omniloom.data.problems.base import problems
from omniloom.data.problems.pairs.base import PairProblem, PairSplit, TextPair
from omniloom.data.public import PublicSource, data_folder

EUROPARL = PublicSource(
    name="wmt-europarl-v7",
    url="https://www.statmt.org/wmt13/training-parallel-europarl-v7.tgz",
    sha256="0224c7c710c8a063dfd893b0cc0830202d61f4c75c17eb8e31836103d27d96e7",
    num_bytes=657_632_379,
)
COMMON_CRAWL = PublicSource(
    name="wmt-commoncrawl",
    url="https://www.statmt.org/wmt13/training-parallel-commoncrawl.tgz",
    sha256="c7a74e2ea01ac6c920123108627e35278d4ccb5701e15428ffa34de86fa3a9e5",
    num_bytes=918_311_367,
)
NEWS_COMMENTARY = PublicSource(
    name="wmt-news-commentary-v9",
    url="https://www.statmt.org/wmt14/training-parallel-nc-v9.tgz",
    sha256="cb8953f292298e6877ae433c98912b927cb0766b303f4540512ddd286c748485",
    num_bytes=80_418_416,
)
NEWS_TESTS = PublicSource(
    name="wmt-dev",
    url="https://data.statmt.org/wmt19/translation-task/dev.tgz",
    sha256="7a7deccf82ebb05ba508dba5eb21356492224e8f630ec4f992132b029b4b25e7",
    num_bytes=38_654_961,
)

SEGMENT = re.compile(r"<seg\b[^>]*>(.*?)</seg>", re.DOTALL)

Sides = tuple[PublicSource, str, str]
"""A source, and its English and its other file."""


class _Wmt(PairProblem):
    """From English to the language `other`."""

    origin = "https://www.statmt.org/wmt14/translation-task.html"
    licence = "free for research; see the corpora's own pages"
    num_subwords = 32_768
    other: ClassVar[str]

    def generate(self, split: PairSplit) -> Iterable[TextPair]:
        for source, english, other in self.files()[split]:
            folder = data_folder(source)
            yield from parallel(folder / english, folder / other)

    @classmethod
    def files(cls) -> dict[PairSplit, list[Sides]]:
        """The files of each split, inside their sources."""
        both = f"{cls.other}-en"
        test = f"newstest2014-{cls.other}en"
        return {
            "train": [
                (EUROPARL, f"europarl-v7.{both}.en", f"europarl-v7.{both}.{cls.other}"),
                (COMMON_CRAWL, f"commoncrawl.{both}.en", f"commoncrawl.{both}.{cls.other}"),
                (NEWS_COMMENTARY, f"news-commentary-v9.{both}.en", f"news-commentary-v9.{both}.{cls.other}"),
            ],
            "dev": [(NEWS_TESTS, "newstest2013.en", f"newstest2013.{cls.other}")],
            "test": [(NEWS_TESTS, f"{test}-ref.en.sgm", f"{test}-src.{cls.other}.sgm")],
        }


@problems.register("translate_ende_wmt14")
class TranslateEndeWmt14(_Wmt):
    """English to German."""

    name = "translate_ende_wmt14"
    summary = "English to German: WMT 2014, tested on newstest2014; downloads 1.7 GB"
    sizes = "4.5 million train, 3,000 dev, 3,003 test"
    asks = "Translate into German: {}"
    asks_back = "Translate into English: {}"
    other = "de"


@problems.register("translate_enfr_wmt14")
class TranslateEnfrWmt14(_Wmt):
    """English to French."""

    name = "translate_enfr_wmt14"
    summary = "English to French: WMT 2014 without UN and 10^9 corpora, tested on newstest2014; downloads 1.7 GB"
    sizes = "5.4 million train, 3,000 dev, 3,003 test"
    asks = "Translate into French: {}"
    asks_back = "Translate into English: {}"
    other = "fr"


def parallel(first: Path, second: Path) -> Iterator[TextPair]:
    """The pairs of two files with a sentence a line, or of two SGML files; pairs with an empty side are left out.

    Raises:
        ValueError: If a file is missing or the two have different numbers of sentences.
    """
    sides = [_sentences(path) for path in (first, second)]
    if len(sides[0]) != len(sides[1]):
        raise ValueError(
            f"{first} has {len(sides[0])} sentences and {second} has {len(sides[1])}; a file is damaged, so delete the "
            "folder and have it downloaded again"
        )
    for pair in zip(*sides, strict=True):
        source, target = (" ".join(text.split()) for text in pair)
        if source and target:
            yield TextPair(source, target)


def _sentences(path: Path) -> list[str]:
    if not path.is_file():
        raise ValueError(f"{path} is missing; delete its folder and have it downloaded again, or mend the mirror")
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".sgm":
        return [html.unescape(segment) for segment in SEGMENT.findall(text)]
    # Not splitlines: some lines hold characters that it takes for line ends.
    return text.removesuffix("\n").split("\n")
