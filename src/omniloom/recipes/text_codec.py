"""Train the text codec.

Three sources share the tokens: the reply words of every language, each with and without its leading space and often
enough that every one becomes a single token (a spoken reply is cut at words, so a word in one token starts its sound
soonest); the world's own texts; and some English that every machine has, the standard library's docstrings, so that
text from elsewhere costs fewer tokens too. Rejected: a downloaded corpus (one more thing that can fail, for the last
few hundred merges).
"""

from __future__ import annotations

import ast
import sysconfig
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from omniloom.codecs.text import TextCodec
from omniloom.data.problems import Mixture, Split, WorldMix
from omniloom.data.speech.words import REPLY_WORDS_IN
from omniloom.evaluation.codecs import TextCeiling, measure_text
from omniloom.stream.parts import Text

ALL_REPLY_WORDS = tuple(dict.fromkeys(word for words in REPLY_WORDS_IN.values() for word in words))


@dataclass(frozen=True, kw_only=True)
class TextCodecRecipe:
    """How much of each source is read; reply words are repeated until they win their merges."""

    vocab_size: int = 1280
    num_examples: int = 4000
    english_characters: int = 400_000
    word_repeats: int = 1000


def train(recipe: TextCodecRecipe | None = None, *, mix: WorldMix | None = None) -> TextCodec:
    """The codec, from nothing, in a few seconds (and however long the problems take to make their examples)."""
    recipe = recipe or TextCodecRecipe()
    texts = [form for word in ALL_REPLY_WORDS for form in (word, f" {word}") for _ in range(recipe.word_repeats)]
    texts += world_texts(recipe.num_examples, split="train", mix=mix)
    texts += english_texts(recipe.english_characters)
    return TextCodec.train(texts, recipe.vocab_size)


def measure(codec: TextCodec, *, num_examples: int = 500) -> TextCeiling:
    """Costs on the world's *new* split and on docstrings from the other end of the library."""
    return measure_text(
        codec,
        world=world_texts(num_examples, split="new"),
        english=english_texts(100_000, is_reversed=True),
        reply_words=ALL_REPLY_WORDS,
    )


def world_texts(num_examples: int, *, split: Split, mix: WorldMix | None = None) -> list[str]:
    """Every text part, of user and assistant, in the first examples of a world, the standard one if none is given."""
    world = Mixture(mix)
    return [
        part.text
        for index in range(num_examples)
        for message in world.example(split, index).messages
        for part in message.parts
        if isinstance(part, Text)
    ]


def english_texts(num_characters: int, *, is_reversed: bool = False) -> list[str]:
    """About `num_characters` of the standard library's docstrings, in the order of its modules' names."""
    texts, total = [], 0
    for text in _docstrings(is_reversed=is_reversed):
        texts.append(text)
        total += len(text)
        if total >= num_characters:
            break
    return texts


def _docstrings(*, is_reversed: bool) -> Iterator[str]:
    folder = Path(sysconfig.get_path("stdlib"))
    for path in sorted(folder.glob("*.py"), reverse=is_reversed):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a module's own invalid escapes are no concern of ours
            tree = ast.parse(path.read_bytes())
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                text = ast.get_docstring(node)
                if text:
                    yield text
