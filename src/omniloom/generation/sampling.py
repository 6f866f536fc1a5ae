"""How the next token is picked from its scores: greedily, or drawn from a seed by temperature, top-k, top-p and min-p.

Draws are `omniloom.kernels.sample`'s. A reply's n-th drawn token depends on its seed and n, and on nothing that was
drawn before or beside it, so a seed gives the same reply alone, in a batch and in a stream. Kinds of token may be
picked differently: a written answer is best greedy where sound or colour may vary.

Only the scores of ids that may come next are looked at, and through numpy where the likeliest is taken: its `argmax` is
the first of equal ones as torch's is, in a fraction of the time (`docs/kernels/sampling.md`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from omniloom.kernels import SampleSettings, sample_settings, sample_with
from omniloom.stream.grammar import NextIds
from omniloom.stream.vocabulary import Modality


@dataclass(frozen=True, kw_only=True)
class TokenChoice:
    """Temperature 0 is greedy. What is drawn from is cut by each of the others in turn, from what the last has left.

    `top_k` keeps the k likeliest; `top_p` the fewest that hold so much probability; `min_p` those at least so likely as
    a part of the likeliest's probability.
    """

    temperature: float = 0.0
    top_k: int | None = None
    top_p: float = 1.0
    min_p: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.temperature <= 10:
            raise ValueError(f"temperature must be from 0 (greedy) to 10, got {self.temperature}")
        if self.top_k is not None and self.top_k < 1:
            raise ValueError(f"top_k must be at least 1, or None for all, got {self.top_k}")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p must be above 0 and at most 1, got {self.top_p}")
        if not 0 <= self.min_p <= 1:
            raise ValueError(f"min_p must be from 0 (off) to 1, got {self.min_p}")

    @property
    def is_greedy(self) -> bool:
        return self.temperature == 0


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
    """Picks one reply's tokens; the n-th that is drawn has counter n."""

    def __init__(self, sampling: Sampling, *, seed: int) -> None:
        self.choices: dict[Modality, TokenChoice] = {kind: sampling.of(kind) for kind in ("text", "audio", "image")}
        self._is_greedy = {kind: choice.is_greedy for kind, choice in self.choices.items()}
        self.sampling = sampling
        self.seed = (seed + 2**63) % 2**64 - 2**63  # as many bits as an int64 holds
        self._num_draws = 0
        self._counter = np.zeros(1, dtype=np.int64)
        self._settings: dict[Modality, SampleSettings] = {}

    def pick(self, scores: Float[Tensor, " ids"], ids: NextIds) -> int:
        """The next token, from the scores of `ids`, minus infinity in their gaps.

        Where both text and sound may follow, text's choice decides which it is, and sound's which sound.
        """
        token = ids.first + self._place_of_pick(scores, ids.modality)
        sound = _sound_to_pick(self, ids)
        if sound is None or not sound[0] <= token < sound[1]:
            return token
        return sound[0] + self._place_of_pick(scores[sound[0] - ids.first : sound[1] - ids.first], "audio")

    def is_greedy_of(self, ids: NextIds) -> bool:
        """Whether it takes the likeliest of these ids."""
        return self._is_greedy[ids.modality] and (ids.sound is None or self._is_greedy["audio"])

    def next_counter(self) -> int:
        """The counter of one more draw."""
        self._num_draws += 1
        return self._num_draws - 1

    def _place_of_pick(self, scores: Float[Tensor, " ids"], kind: Modality) -> int:
        if self.choices[kind].is_greedy:
            return int(scores.numpy().argmax())
        if kind not in self._settings:
            own = {"seed": torch.tensor([self.seed]), "counter": torch.from_numpy(self._counter)}
            self._settings[kind] = _settings_of(self.choices[kind], 1)._replace(**own)
        self._counter[0] = self.next_counter()
        return int(sample_with(scores[None], self._settings[kind]))


def pick_together(pickers: Sequence[Picker], scores: Float[Tensor, "B ids"], ids: NextIds) -> list[int]:
    """What each row's picker, all of the same sampling, picks by itself; drawn at once."""
    tokens = [ids.first + place for place in _places_of_picks(pickers, scores, ids.modality)]
    sound = _sound_to_pick(pickers[0], ids)
    if sound is None:
        return tokens
    rows = [row for row, token in enumerate(tokens) if sound[0] <= token < sound[1]]
    if rows:
        own = scores[rows, sound[0] - ids.first : sound[1] - ids.first]
        places = _places_of_picks([pickers[row] for row in rows], own, "audio")
        for row, place in zip(rows, places, strict=True):
            tokens[row] = sound[0] + place
    return tokens


def _places_of_picks(pickers: Sequence[Picker], scores: Float[Tensor, "B ids"], kind: Modality) -> list[int]:
    choice = pickers[0].choices[kind]
    if choice.is_greedy:
        likeliest: list[int] = scores.numpy().argmax(-1).tolist()
        return likeliest
    draws = np.array([(picker.seed, picker.next_counter()) for picker in pickers]).T.copy()
    seed, counter = torch.from_numpy(draws)
    drawn: list[int] = sample_with(
        scores, _settings_of(choice, len(pickers))._replace(seed=seed, counter=counter)
    ).tolist()
    return drawn


def _sound_to_pick(picker: Picker, ids: NextIds) -> tuple[int, int] | None:
    """The sound among which to pick once more; not where the likeliest of all is also the likeliest sound."""
    if ids.sound is None or (picker.choices["text"].is_greedy and picker.choices["audio"].is_greedy):
        return None
    return ids.sound


@lru_cache(maxsize=256)
def _settings_of(choice: TokenChoice, num_rows: int) -> SampleSettings:
    """One choice for so many rows, made once; the draws' seeds and counters come in place of those here."""
    return sample_settings(
        num_rows,
        seed=0,
        temperature=choice.temperature,
        top_k=choice.top_k or 0,
        top_p=choice.top_p,
        min_p=choice.min_p,
    )


def guided(
    with_prompt: Float[Tensor, "*rows ids"], without: Float[Tensor, "*rows ids"], guidance: float
) -> Float[Tensor, "*rows ids"]:
    """(1 + guidance) x with - guidance x without."""
    return (1 + guidance) * with_prompt - guidance * without
