"""How the next token is picked from its logits: greedily, or drawn with temperature, top-k and top-p from a seed.

Every reply has a random generator of its own, so a seed gives the same reply alone, in a batch and in a stream. Kinds
of token may be picked differently: a written answer is best greedy where sound or colour may vary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from omniloom.kernels import IdRange
from omniloom.stream.vocabulary import Modality, Vocabulary

MIN_TEMPERATURE = 1e-6
"""Lower ones are taken as this: the difference of logits over it must stay a float32."""


@dataclass(frozen=True, kw_only=True)
class TokenChoice:
    """Temperature 0 is greedy. `top_k` keeps the k likeliest; `top_p` then the fewest that hold so much probability."""

    temperature: float = 0.0
    top_k: int | None = None
    top_p: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.temperature <= 10:
            raise ValueError(f"temperature must be from 0 (greedy) to 10, got {self.temperature}")
        if self.top_k is not None and self.top_k < 1:
            raise ValueError(f"top_k must be at least 1, or None for all, got {self.top_k}")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p must be above 0 and at most 1, got {self.top_p}")


@dataclass(frozen=True, kw_only=True)
class Sampling(TokenChoice):
    """The choice for every kind of token, unless `text`, `audio` or `image` sets its own.

    `image_guidance` g above 0 draws pictures from (1 + g) x the logits with the prompt - g x those without it
    (classifier-free guidance, Ho & Salimans 2022, section 3.2); it costs a second step for each picture token.
    """

    text: TokenChoice | None = None
    audio: TokenChoice | None = None
    image: TokenChoice | None = None
    image_guidance: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.image_guidance <= 20:
            raise ValueError(f"image_guidance must be from 0 (off) to 20, got {self.image_guidance}")

    def of(self, modality: Modality) -> TokenChoice:
        own = {"text": self.text, "audio": self.audio, "image": self.image}[modality]
        return self if own is None else own


class Picker:
    """Picks one reply's tokens."""

    def __init__(self, sampling: Sampling, *, seed: int, vocabulary: Vocabulary) -> None:
        self.sampling = sampling
        self._generator = torch.Generator().manual_seed(seed)
        spans = {}
        for modality in ("text", "audio", "image"):
            planes = vocabulary.planes_of(modality)
            spans[modality] = (planes[0].start, planes[-1].stop)
        self._audio, self._image = spans["audio"], spans["image"]

    @property
    def is_greedy(self) -> bool:
        return all(self.sampling.of(modality).temperature == 0 for modality in ("text", "audio", "image"))

    def pick(self, logits: Float[Tensor, " V"], ranges: Sequence[IdRange]) -> int:
        """The next token; logits outside `ranges` are minus infinity.

        Where both text and sound may follow, text's choice decides which it is, and sound's which sound.
        """
        start = ranges[0][0]
        if self._image[0] <= start < self._image[1]:
            return self._draw(logits, ranges, self.sampling.of("image"))
        audio = [pair for pair in ranges if self._audio[0] <= pair[0] < self._audio[1]]
        if len(audio) < len(ranges):
            token = self._draw(logits, ranges, self.sampling.of("text"))
            if not self._audio[0] <= token < self._audio[1] or self.sampling.of("audio").temperature == 0:
                return token
        return self._draw(logits, audio, self.sampling.of("audio"))

    def _draw(self, logits: Float[Tensor, " V"], ranges: Sequence[IdRange], choice: TokenChoice) -> int:
        if choice.temperature == 0:
            ranges = ranges if len(ranges) == 1 else [(0, logits.shape[0])]
            return ranges[0][0] + int(logits[ranges[0][0] : ranges[0][1]].argmax())
        allowed = torch.cat([logits[first:stop] for first, stop in ranges])
        best, places = allowed.topk(min(choice.top_k or len(allowed), len(allowed)))
        probabilities = ((best - best[0]) / max(choice.temperature, MIN_TEMPERATURE)).softmax(0)
        before = probabilities.cumsum(0) - probabilities
        probabilities = probabilities * (before < choice.top_p)
        reached = probabilities.cumsum(0)
        draw = torch.rand((), generator=self._generator) * reached[-1]
        drawn = min(int((reached <= draw).sum()), int((probabilities > 0).sum()) - 1)
        place = int(places[drawn])
        for first, stop in ranges:
            if place < stop - first:
                return first + place
            place -= stop - first
        raise AssertionError("a drawn place lies in one of the ranges")


def guided(
    with_prompt: Float[Tensor, " V"], without: Float[Tensor, " V"], ranges: Sequence[IdRange], guidance: float
) -> Float[Tensor, " V"]:
    """(1 + guidance) x with - guidance x without, inside the ranges; minus infinity outside."""
    mixed = torch.full_like(with_prompt, -torch.inf)
    for first, stop in ranges:
        mixed[first:stop] = (1 + guidance) * with_prompt[first:stop] - guidance * without[first:stop]
    return mixed
