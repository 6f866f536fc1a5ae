"""Go on training a model, on a folder of one's own conversations or for longer on the world, with no code.

    omniloom train finetune --set start=tiny --set data.folder=my_chats
    omniloom train finetune --set start=runs/tiny/checkpoint --set data=none --set earlier=runs/tiny/data

The folder holds JSON lines or WebDataset shards (`data.chat_files`, `data.chat_shards`); one file of either will do.
The model keeps its codecs and vocabulary. Some of the generated world is mixed in, so that it does not forget what it
could do: of a model from before films were part of it, the part that it knows.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from omniloom.data.problems import ChatFilesProblem, ScenesProblem, SpeechProblem, WorldMix
from omniloom.data.token_dataset import Joined, TokenDataset, prepare
from omniloom.generation import load, save_for_use
from omniloom.stream.vocabulary import Vocabulary
from omniloom.training import AdamW, TrainingConfig, fit, joined, record_config


@dataclass(frozen=True, kw_only=True)
class FinetuneRecipe:
    """`data.weight` is how often a conversation of the folder is drawn; the world's tasks together weigh about 140.

    Without `data`, new examples of the world alone are learned. `earlier` names datasets made before with the same
    codecs, whose examples are learned from again beside the new ones.
    """

    data: ChatFilesProblem.Config | None = field(
        default_factory=lambda: ChatFilesProblem.Config(folder=Path("chats"), weight=50.0)
    )
    start: str = "tiny"
    earlier: tuple[str, ...] = ()
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
        ValueError: If the folder holds no conversations, or one is bad (named by file and line, or shard and key), or
            an earlier dataset is of other codecs.
        KeyboardInterrupt: If it was asked to stop; its checkpoint is written.
        ConnectionError: If it was started as several processes and another one ended.
    """
    start = load(recipe.start)
    earlier = [TokenDataset.open(folder) for folder in recipe.earlier]
    for dataset in earlier:
        if dataset.vocabulary.to_json() != start.codecs.vocabulary().to_json():
            raise ValueError(
                f"{dataset.folder} was made with other codecs than those of {recipe.start}; leave it out of `earlier`"
            )

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
        new = processes.after_first(make, lambda: TokenDataset.open(out / "data"))
        data = Joined([new, *earlier])
        model = fit(start.model, data, recipe.training, out / "model", seed=recipe.seed, processes=processes)
        if processes.is_first:
            save_for_use(out / "checkpoint", model=model, codecs=start.codecs)
    return out / "checkpoint"
