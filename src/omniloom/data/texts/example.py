"""What a model of text alone learns from: a prompt and the reply to it, both plain strings.

That is what text tasks come as, and a document is one too: its beginning and how it goes on. Conversations of several
turns stay `Example`s of a problem, of which `examples_of` takes those that are one question and one answer in words.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from omniloom.data.problems import Example, Problem, Split
from omniloom.stream.message import Message
from omniloom.stream.parts import Text


@dataclass(frozen=True, kw_only=True)
class TextExample:
    """A reply and what it answers; either may be empty, not both.

    `is_cut` says that the text goes on behind the reply, as a piece of a document does, so that no end is learned.
    `task` is what it is counted as in a dataset's summary.
    """

    prompt: str
    reply: str
    is_cut: bool = False
    task: str = "text"

    def __post_init__(self) -> None:
        if not self.prompt and not self.reply:
            raise ValueError("an example needs a prompt or a reply; leave empty ones out")


def examples_of(
    problem: Problem, *, num_examples: int, split: Split = "train", task: str | None = None, first: int = 0
) -> list[TextExample]:
    """The examples of a problem at `num_examples` indices from `first` on, as plain text.

    Raises:
        ValueError: If one is not a question and an answer in words.
    """
    found = [problem.example(split, index, task) for index in range(first, first + num_examples)]
    return [_plain(example) for example in found]


def fingerprint_of(examples: Iterable[TextExample]) -> str:
    """Sixteen hexadecimal digits that change with any example, or with their order."""
    digest = hashlib.sha256()
    for example in examples:
        for text in (example.prompt, example.reply, example.task, "cut" if example.is_cut else "whole"):
            data = text.encode("utf-8", "surrogatepass")
            digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()[:16]


def _plain(example: Example) -> TextExample:
    messages = example.messages
    is_pair = [message.role for message in messages] == ["user", "assistant"]
    if not is_pair or not all(isinstance(part, Text) for message in messages for part in message.parts):
        roles = ", ".join(f"{message.role} {[type(part).__name__ for part in message.parts]}" for message in messages)
        raise ValueError(
            f"an example of {example.task} is not one question and one answer in text: {roles}; choose other tasks"
        )
    question, answer = messages
    return TextExample(prompt=_words(question), reply=_words(answer), is_cut=answer.is_cut, task=example.task)


def _words(message: Message) -> str:
    return "".join(part.text for part in message.parts if isinstance(part, Text))
