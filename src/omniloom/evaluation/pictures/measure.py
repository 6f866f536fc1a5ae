"""What a `dall-e` run can do, caption by caption: is the caption heeded, is the best of many better, who says so?

One item is one held-out pair, which no stage but the judge's has seen. It holds the picture's loss under its own
caption and under that of another item; the first and the best of N candidates by the reranker, and what the judge says
of both and of the true picture after the codec, the ceiling; and how exact both codecs are on the true picture. All of
it depends on the seed and the item alone, so items may be kept and a stopped evaluation goes on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from omniloom.core.randomness import generator
from omniloom.data.emoji.coloured import ColouredEmoji, coloured_pairs, render_coloured
from omniloom.evaluation.pictures.run_folder import PictureRun
from omniloom.evaluation.pictures.similarity import psnr_db, ssim
from omniloom.generation.sampling import TokenChoice
from omniloom.stream.parts import Image
from omniloom.training.pictures import StreamBatch
from omniloom.training.pictures.stream import token_losses

NUM_CANDIDATES = 32
CHOICE = TokenChoice(temperature=1.0)
CAPTIONS_TOGETHER = 8


def held_out(run: PictureRun, *, limit: int | None = None, seed: int = 0) -> list[ColouredEmoji]:
    """The pairs that were held out, of the objects that the run knows, in an order told by the seed."""
    items = coloured_pairs("composed", run.judge.objects)
    order = generator("held-out captions", seed).permutation(len(items))
    return [items[int(place)] for place in order][:limit]


def measured(
    run: PictureRun,
    items: Sequence[ColouredEmoji],
    *,
    seed: int = 0,
    num_candidates: int = NUM_CANDIDATES,
    choice: TokenChoice = CHOICE,
) -> Iterator[Mapping[str, Any]]:
    """What is found of each item, in order."""
    for start in range(0, len(items), CAPTIONS_TOGETHER):
        part = list(items[start : start + CAPTIONS_TOGETHER])
        truth = torch.stack([true_picture(item, seed) for item in part])
        losses = _caption_losses(run, part, truth, seed)
        codes = run.model.draw_codes(
            [item.phrase for item in part], num_pictures=num_candidates, choice=choice, seed=seed
        )
        for row, item in enumerate(part):
            found: dict[str, Any] = {"caption": item.phrase, **losses[row]}
            found |= _of_codecs(run, truth[row : row + 1])
            found |= _of_candidates(run, item, [run.model.image.decode(own.tolist()) for own in codes[row]])
            found["ceiling"] = _judged(run, round_trip(run.model.image, truth[row : row + 1]), [item])
            yield found


def true_picture(item: ColouredEmoji, seed: int) -> Float[Tensor, "3 side side"]:
    """A rendering of an item, the same for the same seed, in 0..1."""
    return render_coloured(item, generator("held-out picture", seed, item.tint, item.name)).pixels.float() / 255


def round_trip(codec: Any, pixels: Float[Tensor, "B 3 side side"]) -> Float[Tensor, "B 3 side side"]:
    """Pictures in 0..1 after a codec, rounded to bytes as they are shown."""
    images = [codec.decode([int(code) for code in row]) for row in codec.encode_pixels(pixels)]
    return pixels_of(images)


def pixels_of(images: Sequence[Image]) -> Float[Tensor, "B 3 side side"]:
    """In 0..1."""
    return torch.stack([image.pixels for image in images]).float() / 255


def another(item: ColouredEmoji, others: Sequence[ColouredEmoji], seed: int) -> ColouredEmoji:
    """One of the others, of another name and tint if there is such a one, told by the seed: its caption is wrong."""
    random = generator("another caption", seed, item.tint, item.name)
    wrong = [other for other in others if other.name != item.name]
    unlike = [other for other in wrong if other.tint != item.tint] or wrong
    return unlike[int(random.integers(len(unlike)))]


@torch.inference_mode()
def _caption_losses(
    run: PictureRun, items: Sequence[ColouredEmoji], truth: Float[Tensor, "B 3 side side"], seed: int
) -> list[dict[str, float]]:
    """The mean loss of a picture's codes (nats) under its own caption and under another one."""
    codes = run.model.image.encode_pixels(truth)
    others, losses = held_out(run), []
    for captions in ([item.phrase for item in items], [another(item, others, seed).phrase for item in items]):
        text = torch.tensor([run.model.tokens(caption) for caption in captions])
        losses.append(token_losses(run.model.stream(text, codes), StreamBatch(text, codes))[1].mean(dim=1))
    return [{"right_loss": float(right), "shuffled_loss": float(wrong)} for right, wrong in zip(*losses, strict=True)]


def _of_codecs(run: PictureRun, truth: Float[Tensor, "1 3 side side"]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, codec in (("dvae", run.dvae), ("fsq", run.fsq)):
        after = round_trip(codec, truth)
        found[f"{name}_psnr_db"] = float(psnr_db(after, truth))
        found[f"{name}_ssim"] = float(ssim(after, truth))
        found[f"{name}_codes"] = codec.encode_pixels(truth)[0].tolist()
    return found


def _of_candidates(run: PictureRun, item: ColouredEmoji, images: Sequence[Image]) -> dict[str, Any]:
    """The first candidate, the best by the reranker, and the mean of all, by both who judge."""
    scores = run.reranker.scores(item.phrase, images)
    best = int(scores.argmax())
    verdict = run.judge.verdict(pixels_of(images), [item] * len(images))
    return {
        "best": best,
        "first_score": float(scores[0]),
        "best_score": float(scores[best]),
        "mean_score": float(scores.mean()),
        "first_right": float(verdict.is_right[0]),
        "best_right": float(verdict.is_right[best]),
        "mean_right": float(verdict.is_right.float().mean()),
        "first_probability": float(verdict.probability[0]),
        "best_probability": float(verdict.probability[best]),
        "mean_probability": float(verdict.probability.mean()),
        "any_right": float(verdict.is_right.any()),
    }


def _judged(run: PictureRun, pixels: Float[Tensor, "N 3 side side"], items: Sequence[ColouredEmoji]) -> float:
    return float(run.judge.verdict(pixels, items).is_right.float().mean())


def perplexity(codes: Sequence[Sequence[int]], num_codes: int) -> float:
    """How many codes there would be if all were used alike: the exponential of the entropy of their use."""
    counts = torch.bincount(torch.tensor(codes).flatten(), minlength=num_codes).double()
    shares = counts[counts > 0] / counts.sum()
    return float((-(shares * shares.log()).sum()).exp())
