"""A reranker for what the omni model draws: scenes and emoji of its world, by the words in which they are asked for.

It reads with the text codec of the checkpoint that it is for, and half of what it sees went through its image codec, as
what it will rank has. Held-out pairs are in no training example of the world, hence in none here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch

from omniloom.codecs.base import AnyImageCodec
from omniloom.codecs.text import TextCodec
from omniloom.core.randomness import generator, seeded
from omniloom.data.problems import EmojiProblem, Problem, ScenesProblem
from omniloom.data.problems.base import Example
from omniloom.generation import loading
from omniloom.generation.rerank import Reranker
from omniloom.generation.rerank.reranker import tokens_of
from omniloom.models.pictures import Contrastive
from omniloom.stream.parts import Image, Text
from omniloom.training import record_config
from omniloom.training.optimizers import AdamW
from omniloom.training.pictures import CaptionedBatch, ContrastObjective, StageTraining, fit_stage

DRAWN = {"scenes": "draw_typed", "emoji": "draw_emoji_typed"}
"""The tasks whose replies are ranked."""
MAX_TOKENS = 64


@dataclass(frozen=True, kw_only=True)
class WorldRerankerRecipe:
    """Some three minutes of one core; `checkpoint` is the model whose pictures are to be ranked."""

    checkpoint: str = "tiny"
    network: Contrastive.Config = field(
        default_factory=lambda: Contrastive.Config(
            text_vocabulary=1280, text_length=MAX_TOKENS, side=64, patch=8, width=96
        )
    )
    training: StageTraining = field(
        default_factory=lambda: StageTraining(num_steps=400, num_rows=64, optimizer=AdamW(rate=2e-3, weight_decay=0.1))
    )
    emoji_share: float = 0.5
    seed: int = 0


def train_world_reranker(recipe: WorldRerankerRecipe, *, out: Path, is_resuming: bool = False) -> Path:
    """The reranker's folder, from the newest checkpoint of its run if there is one.

    Raises:
        KeyboardInterrupt: If it was asked to stop; its checkpoint is written.
        ValueError: If the checkpoint cannot be read, or its text codec has another number of tokens than the network.
    """
    record_config(out, recipe, model_folder="run")
    codecs = loading.load(recipe.checkpoint).codecs
    if not isinstance(codecs.text, TextCodec):
        raise ValueError(f"{recipe.checkpoint} has a text codec of another kind; a reranker reads with a TextCodec")
    with seeded("reranker weights", recipe.seed):
        found = Reranker(Contrastive(recipe.network), codecs.text)
    batches = WorldBatches(recipe, codecs.text, codecs.image)
    fit_stage(found.network, batches, ContrastObjective(), recipe.training, out / "run")
    found.save(out / "model")
    return out / "model"


class WorldBatches:
    """Requests for drawings and the right drawings; what two requests both ask for has one number."""

    def __init__(self, recipe: WorldRerankerRecipe, text: TextCodec, image: AnyImageCodec) -> None:
        self.recipe, self.text, self.image = recipe, text, image
        self.problems: dict[str, Problem] = {"scenes": ScenesProblem(), "emoji": EmojiProblem()}

    def batch(self, step: int) -> CaptionedBatch:
        recipe = self.recipe
        random = generator("world reranker", recipe.seed, step)
        words: list[str] = []
        images: list[Image] = []
        while len(words) < recipe.training.num_rows:
            name = "emoji" if random.random() < recipe.emoji_share else "scenes"
            example = self.problems[name].example("train", int(random.integers(2**31)), DRAWN[name])
            asked, drawn = request_and_drawing(example)
            if len(self.text.encode_text(asked)) <= recipe.network.text_length:
                words.append(asked)
                images.append(drawn.resized(recipe.network.side))
        pixels = torch.stack([image.pixels for image in images]).float() / 255
        if step % 2:
            rows = self.image.encode_pixels(pixels)
            after = [self.image.decode([int(code) for code in row]).resized(recipe.network.side) for row in rows]
            pixels = torch.stack([image.pixels for image in after]).float() / 255
        tokens, is_text = tokens_of(words, self.text, recipe.network.text_length)
        seen: dict[bytes, int] = {}
        meaning = [seen.setdefault(image.pixels.numpy().tobytes(), len(seen)) for image in images]
        return CaptionedBatch(pixels, tokens, is_text, torch.tensor(meaning))


def request_and_drawing(example: Example) -> tuple[str, Image]:
    """The words of the last question, and the picture of the reply."""
    asked = " ".join(part.text for part in example.prompt[-1].parts if isinstance(part, Text))
    [drawn] = [part for part in example.reply.parts if isinstance(part, Image)]
    return asked.strip().lower(), drawn
