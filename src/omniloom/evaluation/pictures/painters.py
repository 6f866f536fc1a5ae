"""Who draws what is asked in writing: a loaded omni model, or a served one, each candidate with a seed of its own.

A request is one candidate, so that each is kept as it comes and none is drawn twice, and so that a served model's
candidates are its checkpoint's, picture for picture. Asking a server for several at once (`n`) was rejected: servers
differ in how many they give, and what dies with the rest of a request would be drawn again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from omniloom.evaluation.endpoints.talker import ServedOmni
from omniloom.evaluation.workers.identity import identity
from omniloom.generation import Omni, Sampling, TokenChoice
from omniloom.stream.parts import Image, Text

BATCH = 64
"""Candidates of a loaded model that are drawn together; what is finished is kept after each batch."""

NOT_ASKED = "losses of captions cannot be asked through the wire"


class DrawingRequest(NamedTuple):
    """What to draw, and the seed of the candidate."""

    words: str
    seed: int


class Painter(Protocol):
    """`name` tells the model from every other; `note` says what of its drawings cannot be had, or is otherwise.

    `temperature` is what it draws at, None where it cannot be told.
    """

    @property
    def name(self) -> str: ...

    @property
    def note(self) -> str: ...

    @property
    def temperature(self) -> float | None: ...

    def draw(self, requests: Sequence[DrawingRequest]) -> Iterator[tuple[int, Image | None]]:
        """For each request its place and its picture; none where the reply holds none."""
        ...


class LoadedPainter:
    """A checkpoint: only the picture's codes are drawn at the temperature, the words before them are the likeliest."""

    note = ""

    def __init__(self, omni: Omni, *, name: str, temperature: float) -> None:
        self._omni, self._sampling = omni, Sampling(image=TokenChoice(temperature=temperature))
        self.name = f"{name} {identity(omni)}"
        self.temperature: float | None = temperature

    def draw(self, requests: Sequence[DrawingRequest]) -> Iterator[tuple[int, Image | None]]:
        for start in range(0, len(requests), BATCH):
            batch = requests[start : start + BATCH]
            replies = self._omni.reply_batch(
                [own.words for own in batch],
                want="image",
                sampling=self._sampling,
                seed=[own.seed for own in batch],
            )
            yield from enumerate((reply.image for reply in replies), start=start)


class ServedPainter:
    """A served model: as a loaded one where the server has a temperature for pictures alone, as ours does."""

    def __init__(self, served: ServedOmni, *, temperature: float | None) -> None:
        """`temperature` is None where none was asked for, and then 1 where the server can be told.

        Raises:
            ValueError: If one was asked for and the server, which draws at an image endpoint, takes none; or it refuses
                the key or the model.
            ConnectionError: If it does not answer.
        """
        self._served, self.name = served, served.identity
        self.temperature: float | None = 1.0 if temperature is None else temperature
        told = {"picture": "", "reply": "words too are drawn at the temperature", "own": "drawn as the server likes"}
        if served.drawing == "own":
            if temperature is not None:
                raise ValueError(
                    f"{served.identity} draws at an image endpoint, which takes no temperature; leave --drawn-at out"
                )
            self.temperature = None
        self.note = "; ".join(filter(None, [NOT_ASKED, told[served.drawing]]))

    def draw(self, requests: Sequence[DrawingRequest]) -> Iterator[tuple[int, Image | None]]:
        for place, reply in self._served.replies(
            [[Text(own.words)] for own in requests],
            [("image",)] * len(requests),
            seed=[own.seed for own in requests],
            image_temperature=self.temperature,
        ):
            yield place, reply.image
