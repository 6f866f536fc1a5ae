"""English to French from the translation of Python's documentation: real sentences, with a licence that allows it.

An entry of a gettext file is a heading or a paragraph. Those that a translator has not finished (fuzzy, obsolete,
empty) or that are the same in both languages are left out, and paragraphs are cut into sentences where both sides have
as many of like length. What stands in markup, as code, names and links do, is the same in both languages; it becomes
one sign, so that the task is the language around it. With the markup left in, copying the source scores 27 BLEU for its
signs alone, and no score tells whether anything was translated.

Whole files are held out, so that a held-out sentence comes from a page never seen; and since pages repeat each other's
headings and notes, what any earlier split holds is dropped from the later ones.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from functools import cache
from importlib.resources import files

from omniloom.data.problems.base import problems
from omniloom.data.problems.pairs.base import PairProblem, PairSplit, TextPair, unshared
from omniloom.data.problems.pairs.encoders import Markup
from omniloom.data.public import PublicFiles, read_files

COMMIT = "b279d876e2a3381605d38ea62b863f60abadc92c"
SOURCE = PublicFiles(
    name="python-docs-fr",
    url=f"https://raw.githubusercontent.com/python/python-docs-fr/{COMMIT}",
    version=COMMIT[:12],
    max_bytes=2**20,
    remedy="or choose another problem; omniloom problems lists them",
)
CHECKSUMS = "python_docs_fr.sha256"
"""The files taken (the tutorial, the how-tos and the library's pages) as `sha256sum` writes them."""

TEST_SHARE, DEV_SHARE = 0.08, 0.03
"""Of the files, by a hash of their path."""


MARKUP = Markup(
    sign="◊",
    pattern=r"""(?x)
      (?::[\w.+-]+)+:`[^`]*`         # a role: :func:`open`
    | ``[^`]+``                     # code
    | `[^`]+`_{0,2}                 # a link
    | \*\*[^*]+\*\*                 # strong
    | \*[^*\s](?:[^*]*[^*\s])?\*    # emphasis, for names of arguments
    | \|[^|\s]+\|                   # a substitution
    """,
)
"""What stands in reStructuredText's inline markup."""

SENTENCE_END = re.compile(r"(?<=[.!?:])\s+(?=[A-ZÀ-ÖØ-Þ«(\"◊])")
NO_END = re.compile(r"(?:\be\.g|\bi\.e|\betc|\bcf|\bvs|\bp\. ex|c\.-à-d|\bex)\.$")
"""Abbreviations before which no sentence has ended."""

LEAST_RATIO, MOST_RATIO, SLACK_LETTERS = 0.5, 2.2, 10
"""Of the lengths of sentences that belong together, each lengthened by the slack; French is a fifth longer."""


@problems.register("translate_enfr_python_docs")
class TranslateEnfrPythonDocs(PairProblem):
    """English to French."""

    name = "translate_enfr_python_docs"
    summary = "English to French: sentences of Python's documentation, whole files held out"
    sizes = "23,383 train, 543 dev, 936 test"
    licence = "translations CC0 1.0; English text PSF License 2"
    origin = f"https://github.com/python/python-docs-fr/tree/{COMMIT[:12]}"
    num_subwords = 4096
    markup = MARKUP
    asks = "Translate into French: {}"
    asks_back = "Translate into English: {}"

    def generate(self, split: PairSplit) -> Iterable[TextPair]:
        return _read_files()[0][split]


def checksums() -> dict[str, str]:
    """The sha256 of every file, by its path."""
    text = (files("omniloom.data.problems.pairs") / CHECKSUMS).read_text(encoding="utf-8")
    return {path: digest for digest, path in (line.split() for line in text.splitlines())}


def split_of(path: str) -> PairSplit:
    """Where a file's entries go."""
    place = int.from_bytes(hashlib.sha256(f"python-docs-fr|{path}".encode()).digest()[:8], "big") / 2**64
    return "test" if place < TEST_SHARE else "dev" if place < TEST_SHARE + DEV_SHARE else "train"


def entries(po: bytes, *, place: str) -> list[TextPair]:
    """The finished entries of a gettext file as they stand.

    Raises:
        ValueError: If it is not one.
    """
    import polib

    try:
        found = polib.pofile(po.decode("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{place} is no gettext file ({error}); replace it, {SOURCE.remedy}") from error
    return [
        TextPair(entry.msgid, entry.msgstr)
        for entry in found
        if not (entry.obsolete or entry.fuzzy) and entry.msgid.strip() and entry.msgstr.strip()
    ]


def plain(text: str) -> str:
    """The text on one line, each piece of markup one sign."""
    return " ".join(MARKUP.taken_out(text)[0].split())


def sentences(entry: TextPair) -> list[TextPair]:
    """The sentences of an entry, or the whole where its sides cannot be cut alike; without what is not translated."""
    return list(_sentences(entry))


def with_markup(split: PairSplit) -> list[TextPair]:
    """The pairs of a split, in their order, with the markup that they have in the files."""
    return [_read_files()[1][pair] for pair in _read_files()[0][split]]


def _sentences(entry: TextPair) -> dict[TextPair, TextPair]:
    """The sentences, and each as it stands in the file."""
    source, target = (_cut(plain(text)) for text in entry)
    if len(source) != len(target) or not all(map(_fit, source, target)):
        source, target = [" ".join(source)], [" ".join(target)]
    marked = [_marked(side, text) for side, text in zip((source, target), entry, strict=True)]
    pairs = zip(map(TextPair, source, target), map(TextPair, *marked), strict=True)
    return {pair: own for pair, own in pairs if pair.source != pair.target and re.search(r"[A-Za-z]{2}", pair.source)}


def _marked(sentences_of: list[str], text: str) -> list[str]:
    """The plain sentences of a text with its markup put back."""
    pieces = MARKUP.taken_out(" ".join(text.split()))[1]
    found = []
    for sentence in sentences_of:
        count = sentence.count(MARKUP.sign)
        found.append(MARKUP.put_back(sentence, pieces[:count]))
        pieces = pieces[count:]
    return found


def _cut(text: str) -> list[str]:
    found: list[str] = []
    for piece in SENTENCE_END.split(text):
        if found and NO_END.search(found[-1]):
            found[-1] += f" {piece}"
        else:
            found.append(piece)
    return found


def _fit(source: str, target: str) -> bool:
    return LEAST_RATIO <= (len(target) + SLACK_LETTERS) / (len(source) + SLACK_LETTERS) <= MOST_RATIO


@cache
def _read_files() -> tuple[dict[PairSplit, list[TextPair]], dict[TextPair, TextPair]]:
    """The pairs of each split, and of each pair how it first stands in a file."""
    splits: dict[PairSplit, list[TextPair]] = {"train": [], "dev": [], "test": []}
    marked: dict[TextPair, TextPair] = {}
    for path, data in read_files(SOURCE, checksums()).items():
        for entry in entries(data, place=path):
            found = _sentences(entry)
            splits[split_of(path)] += found
            for pair, own in found.items():
                marked.setdefault(pair, own)
    return unshared(splits), marked
