"""Translation between English and French in the forms of GPT-3 (figures G.36 to G.39), from Python's documentation.

With demonstrations a sentence is followed by " =" and its translation; alone it is asked for by a question. Sentences
of eleven pages of the library are scored and those of the tutorial demonstrated: whole files apart, and no sentence in
both. The scored pages are among those that the problem `translate_enfr_python_docs` holds out too, so that a model
trained on it may be asked; of the how-tos, which were scored first, it had learned 107 sentences of 158. Rows with
markup, code or a doubtful ("fuzzy") translation are left out, and those too long or too short to be a sentence.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from omniloom.evaluation.few_shot.metrics import BLEU
from omniloom.evaluation.few_shot.task import FreeForm, Item, Split, Task, add_task
from omniloom.evaluation.few_shot.tasks import sources

FILES = {
    "train": (
        ("tutorial/classes.po", "0066da7dfa4bed25f709a933e56a4b2a2815765c0d2d4c14cea295363b4a4650"),
        ("tutorial/controlflow.po", "d18aaf3265c7fc3bbe5a7a05c56b84b7c2661de77259590f47317369481ed7a2"),
        ("tutorial/introduction.po", "7ed4ee67e5afe499a6da1b3271aa605c03f539e680187b9ab7a658e9d0a6ee29"),
        ("tutorial/modules.po", "838cd5dfc49e72c72aef1c4184ca5435b0fc803032c510aa4a3c0de57e033034"),
        ("tutorial/floatingpoint.po", "4ae09b7e303a99bf819a0103ab5e3ddda128e101ed60cafa24568314a6901d22"),
    ),
    "test": (
        ("library/pickle.po", "7f44c76fbe6ba7266fa5f39d8e9e3e3231b16613ed64e9795eb381786bab80a0"),
        ("library/dialog.po", "5cdf6d00c18009e62436865195739a7bbc95c6f70626ad3820d7d59d49d9e1e5"),
        ("library/csv.po", "2e2905cecffc012a2ae570be034c297095c2cd28822f385cbafe6ed39791c4c7"),
        ("library/contextvars.po", "10f4cb7f9c563a097cf039e975454178a15c6751a8413bb6d969d3561de91748"),
        ("library/email.headerregistry.po", "005e3907078e28ae312a1f41a0c7ab82b6c98483278225a6a088d7dafe9810b4"),
        ("library/ftplib.po", "92019a9caea79252b9d818ef177466ee0608bd0a875cba80349717f4cd118bb8"),
        ("library/html.parser.po", "f9fff8ce90cc151fe3b1791ca646582a8060584a44c0c5930e20a910e0fc8b87"),
        ("library/__main__.po", "cd1d41f9c3a5882bb3f27da459a37b5c32a8fda937ce5dcfc7698a9f0c1e9383"),
        ("library/xml.sax.po", "c329ba30a9108bc75c1d04a73401f619efe7fc012293d907514aaaf34248e554"),
        ("library/getopt.po", "69d0b5472018f10dd7151cf9e524e54b9845bb70457766e55fab92a05abe356e"),
        ("library/filesys.po", "2bbf9c99d8b0bcb7588b6b68614ed7acb77dbe27932e0fb084e1bba8f409f124"),
    ),
}
MIN_CHARS, MAX_CHARS = 20, 300
MARKUP = re.compile(r"[`*|_<>\\{}]|::|https?:")


def po_pairs(text: str) -> Iterator[tuple[str, str]]:
    """The sentences of a gettext catalogue and their translations, without doubtful and outdated ones."""
    for entry in re.split(r"\n\s*\n", text):
        lines = [line for line in entry.splitlines() if line and not line.startswith("#")]
        if re.search(r"^#, .*fuzzy", entry, re.MULTILINE):
            continue
        parts: dict[str, str] = {}
        name = ""
        for line in lines:
            keyword, _, quoted = line.partition('"')
            name = keyword.strip() or name
            parts[name] = parts.get(name, "") + ast.literal_eval('"' + quoted)
        if parts.get("msgid") and parts.get("msgstr"):
            yield parts["msgid"], parts["msgstr"]


def sentences(split: Split) -> list[tuple[str, str]]:
    """The pairs of a split that are plain sentences, each in either language once."""
    found: dict[str, str] = {}
    for text in sources.read_text(sources.PYTHON_DOCS_FR, *FILES[split]):
        for english, french in po_pairs(text):
            english, french = " ".join(english.split()), " ".join(french.split())
            is_plain = not MARKUP.search(english) and not MARKUP.search(french) and english != french
            if is_plain and all(MIN_CHARS <= len(own) <= MAX_CHARS for own in (english, french)):
                found.setdefault(french, english)
    return list({english: (english, french) for french, english in found.items()}.values())


def asked(sentence: str, translation: str, language: str) -> Item:
    """An item in the paper's forms."""
    return Item(
        context=f"{sentence} =",
        answers=(f" {translation}",),
        alone=f"Q: What is the {language} translation of {sentence} A:",
    )


def _load_french(split: Split) -> list[Item]:
    return [asked(english, french, "French") for english, french in _apart(split)]


def _load_english(split: Split) -> list[Item]:
    return [asked(french, english, "English") for english, french in _apart(split)]


def _apart(split: Split) -> list[tuple[str, str]]:
    if split == "test":
        return sentences("test")
    scored = {own for pair in sentences("test") for own in pair}
    return [pair for pair in sentences("train") if not scored & set(pair)]


ANSWERING = FreeForm(stops=("\n",), max_tokens=128, metric=BLEU)

TRANSLATION = (
    add_task(Task(name="en-fr", load=_load_french, answering=ANSWERING, separator="\n", shots=20)),
    add_task(Task(name="fr-en", load=_load_english, answering=ANSWERING, separator="\n", shots=20)),
)
