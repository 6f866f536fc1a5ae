"""The best of N: candidates in the order in which a reranker likes them, for any model that draws.

Ramesh et al. 2021, section 2.6 draw 512 and show the best by a contrastive model. Here a `PictureModel` draws, or the
omni model through `Omni.reply_batch`, whose replies are decoded together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from omniloom.generation.omni import Omni
from omniloom.generation.pictures.model import PictureModel
from omniloom.generation.reply import Reply
from omniloom.generation.rerank.reranker import Reranker
from omniloom.generation.sampling import Sampling, TokenChoice
from omniloom.stream.parts import Image

T = TypeVar("T", Image, Reply)


@dataclass(frozen=True)
class Ranked(Generic[T]):
    """A candidate, its number among those drawn, and what the reranker gave it."""

    candidate: T
    number: int
    score: float


def best_of(
    model: PictureModel,
    reranker: Reranker,
    caption: str,
    *,
    num_pictures: int,
    choice: TokenChoice = TokenChoice(temperature=1.0),
    seed: int = 0,
) -> list[Ranked[Image]]:
    """All candidates, the best first; of equal ones the one that was drawn first.

    Raises:
        ValueError: If there is to be no picture, or the caption is empty or too long.
    """
    images = model.draw(caption, num_pictures=num_pictures, choice=choice, seed=seed)
    return ranked(images, [float(score) for score in reranker.scores(caption, images)])


def best_reply(
    omni: Omni,
    reranker: Reranker,
    prompt: str,
    *,
    num_replies: int,
    sampling: Sampling = Sampling(temperature=1.0),
    seed: int = 0,
) -> list[Ranked[Reply]]:
    """Replies that hold a picture, the best first; those without one are left out.

    Reply n has the seed `seed` + n, so the first of one seed is what `Omni.reply` gives for it.

    Raises:
        ValueError: If there is to be no reply, sampling is greedy and so all replies are one, or none holds a picture.
    """
    if num_replies < 1:
        raise ValueError(f"the number of replies must be at least 1, got {num_replies}")
    if num_replies > 1 and sampling.of("image").is_greedy:
        raise ValueError(f"at temperature 0 all {num_replies} replies are the same; give a temperature above 0")
    seeds = [seed + number for number in range(num_replies)]
    replies = omni.reply_batch([prompt] * num_replies, want="image", sampling=sampling, seed=seeds)
    drawn = [(reply, reply.image) for reply in replies if reply.image is not None]
    if not drawn:
        raise ValueError(f"no reply to {prompt!r} holds a picture; ask for one, as in 'draw a cat'")
    scores = reranker.scores(prompt, [image for _, image in drawn])
    return ranked([reply for reply, _ in drawn], [float(score) for score in scores])


def ranked(candidates: Sequence[T], scores: Sequence[float]) -> list[Ranked[T]]:
    """Candidates by falling score."""
    found = [
        Ranked(candidate, number, score)
        for number, (candidate, score) in enumerate(zip(candidates, scores, strict=True))
    ]
    return sorted(found, key=lambda item: (-item.score, item.number))
