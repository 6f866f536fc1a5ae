"""What a language must be able to say about scenes: templates, what fills them, and the answers.

The logic of a question is the same in every language (`questions`); the words of it are not: gender, articles and the
order of words make a table of translations too little.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from omniloom.data.problems.templates import Templates
from omniloom.data.scenes import Scene, SceneObject
from omniloom.data.speech.words import Language

CalledBy = Literal["it", "shape", "colour", "name"]
"""How an object is pointed at: as the only one, by one of its properties, or by colour and shape."""


@dataclass(frozen=True, kw_only=True)
class PhraseWording:
    """Requests to say a phrase, or to write down what is heard."""

    say: Templates
    transcribe: Templates


class SceneWording(ABC):
    """A language about scenes.

    Kinds of questions are "colour", "shape", "where", "at", "beside", "size" and "count"; kinds of edits are
    "recolour", "reshape", "resize", "move", "add" and "remove".
    """

    language: Language
    describe: Templates
    questions: Mapping[str, Templates]
    edits: Mapping[str, Templates]
    draw: Templates
    statements: tuple[str, ...]
    places: tuple[str, ...]
    """How a request says where to draw."""

    @abstractmethod
    def number(self, number: int) -> str:
        """A small whole number as an answer."""

    @abstractmethod
    def answer(self, kind: str, item: SceneObject) -> str:
        """What a question of a kind is answered with, where it is about this object."""

    @abstractmethod
    def asking(self, kind: str, item: SceneObject, by: CalledBy, side: str = "") -> dict[str, str]:
        """What fills a question of a kind about an object; of "beside", about what is on that side of it."""

    @abstractmethod
    def changing(self, kind: str, item: SceneObject, by: CalledBy, made: SceneObject | None) -> dict[str, str]:
        """What fills a request to change an object to `made`; of "add", `item` is the new one."""

    @abstractmethod
    def noun(self, item: SceneObject, *, size: str, place: str) -> str:
        """An object with its article, its size and a place already worded; both may be left empty."""

    @abstractmethod
    def brief(self, item: SceneObject, *, size: str, position: str) -> str:
        """The same in the fewest words, a position in place of a worded place."""

    @abstractmethod
    def brief_request(self, first: SceneObject, joined: str) -> str:
        """Brief nouns as they stand in a spoken request to draw; `first` is the first of them."""

    @abstractmethod
    def position(self, position: str) -> str:
        """The words for a position."""

    @abstractmethod
    def joined(self, nouns: list[str]) -> str:
        """Several things as one."""

    def written_scene(self, scene: Scene) -> str:
        """The scene in a sentence."""
        place = self.places[0]
        return self.joined(
            [
                self.noun(item, size=item.size, place=place.format(position=self.position(item.position)))
                for item in scene.objects
            ]
        )
