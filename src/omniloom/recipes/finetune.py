"""Go on training a model on a folder of one's own conversations, with no code.

    omniloom train finetune --set start=tiny --set data.folder=my_chats

The folder holds JSON lines or WebDataset shards (`data.chat_files`, `data.chat_shards`); one file of either will do.
The model keeps its codecs and vocabulary. Some of the generated world is mixed in, so that it does not forget what it
could do: of a model from before films were part of it, the part that it knows.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from omniloom.data.problems import ChatFilesProblem, ScenesProblem, SpeechProblem, WorldMix
from omniloom.data.token_dataset import TokenDataset, prepare
from omniloom.generation import load, save_for_use
from omniloom.stream.vocabulary import Vocabulary
from omniloom.training import AdamW, TrainingConfig, fit, joined, record_config


@dataclass(frozen=True, kw_only=True)
class FinetuneRecipe:
    """`data.weight` is how often a conversation of the folder is drawn; the world's tasks together weigh about 50."""

    data: ChatFilesProblem.Config = field(
        default_factory=lambda: ChatFilesProblem.Config(folder=Path("chats"), weight=50.0)
    )
    start: str = "tiny"
    mix: WorldMix = field(default_factory=WorldMix)
    num_examples: int = 8_192
    training: TrainingConfig = field(
        default_factory=lambda: TrainingConfig(num_steps=600, optimizer=AdamW(rate=5e-4), compile=False)
    )
    num_processes: int = 2
    seed: int = 0


def known_world(mix: WorldMix, vocabulary: Vocabulary) -> WorldMix:
    """What of a mix a model can be reminded of: one without videos knows shapes, speech, sums and digits in English."""
    if vocabulary.has_video:
        return mix
    scenes, speech = mix.scenes, mix.speech
    return replace(
        mix,
        scenes=scenes and ScenesProblem.Config(**{**vars(scenes), "french": 0.0}),
        speech=speech and SpeechProblem.Config(**{**vars(speech), "french": 0.0}),
        films=None,
        emoji=None,
        dialogues=None,
        unknown=None,
    )


def train_finetune(recipe: FinetuneRecipe, *, out: Path, is_resuming: bool = False) -> Path:
    """Train on and return the folder for use.

    Raises:
        ValueError: If the folder holds no conversations, or one is bad (named by file and line, or shard and key).
        KeyboardInterrupt: If it was asked to stop; its checkpoint is written.
        ConnectionError: If it was started as several processes and another one ended.
    """
    start = load(recipe.start)

    def make() -> TokenDataset:
        record_config(out, recipe)
        return prepare(
            out / "data",
            mix=replace(known_world(recipe.mix, start.model.vocabulary), chat_files=recipe.data),
            codecs=start.codecs,
            num_examples=recipe.num_examples,
            seed=recipe.seed,
            processes=recipe.num_processes,
            max_tokens=recipe.training.row_length,
        )

    with joined() as processes:
        data = processes.after_first(make, lambda: TokenDataset.open(out / "data"))
        model = fit(start.model, data, recipe.training, out / "model", seed=recipe.seed, processes=processes)
        if processes.is_first:
            save_for_use(out / "checkpoint", model=model, codecs=start.codecs)
    return out / "checkpoint"
