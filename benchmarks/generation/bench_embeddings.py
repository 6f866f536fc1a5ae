"""Which of the model's states find what is about the same thing: after each block, pooled in four ways.

    python benchmarks/generation/bench_embeddings.py [--checkpoint NAME_OR_FOLDER] [--json FILE] [--quick]

Things are the 80 coloured shapes of the tiny model's world. Each is told in 15 English and 9 French sentences, shown in
2 drawings, moved and shaded, and asked for aloud by 4 voices that training has not heard. For a query, what is nearest
of the candidates is looked up: right if it is about the same thing. Sentences are compared with those of other
templates, since "draw a red star" is nearer to "draw a red ring" than to any other way to ask for the star; the column
"all" is without that rule. Beside the model stand its input vectors alone (0 blocks, a bag of tokens), the same model
with random weights, and chance.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from omniloom.data.problems.wording import SCENE_WORDINGS
from omniloom.data.scenes import COLOURS, SHAPES, Scene, SceneObject, render
from omniloom.data.speech.synthesis import NEW_VOICES, synthesize
from omniloom.data.speech.words import Language
from omniloom.generation import Omni
from omniloom.generation.conversation import encode
from omniloom.generation.decoder import PreparedModel
from omniloom.generation.embedding import OPENING, weights_of
from omniloom.generation.steps import EMPTY, more_of
from omniloom.models import OmniModel
from omniloom.stream.folding import Position, fold
from omniloom.stream.layout import lay_out
from omniloom.stream.message import Message, as_parts
from omniloom.stream.parts import Part

THINGS = [
    SceneObject(colour=colour, shape=shape, size="big", position="top left")
    for colour, shape in itertools.product(COLOURS, SHAPES)
]
WITHIN = (
    "is the {x} small or big",
    "what size does the {x} have",
    "move the {x} to the top left",
    "can you see the {x} there",
    "where is the {x}",
    "there is a {x} on the paper",
)
"""English sentences in which the thing does not come last."""
POOLS = ("ours", "mean", "later more", "last")
"""Ours weighs later text more, and sound and pictures evenly."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """Groups of queries and of candidates; a group has one input for each thing, in their order."""

    name: str
    queries: Sequence[str]
    candidates: Sequence[str]
    is_within: bool = False
    """Whether candidates of the query's own group are left out."""


def groups_of(*, quick: bool) -> dict[str, list[str | Part]]:
    random, found = np.random.default_rng(0), {}
    languages: tuple[Language, ...] = ("en", "fr")
    for language in languages:
        wording = SCENE_WORDINGS[language]
        nouns = [wording.noun(item, size="", place="") for item in THINGS]
        for number, template in enumerate((*wording.draw.cores, *wording.statements)[: 2 if quick else None]):
            found[f"{language} {number}"] = [template.format(scene=noun) for noun in nouns]
    brief = [SCENE_WORDINGS["en"].brief(item, size="", position="") for item in THINGS]
    for number, template in enumerate(WITHIN[: 2 if quick else None]):
        found[f"en within {number}"] = [template.format(x=words) for words in brief]
    for number in range(1 if quick else 2):
        found[f"shown {number}"] = [render(Scene((item,)), jitter=random) for item in THINGS]
        voices = NEW_VOICES[2 * number : 2 * number + 2]
        said = [synthesize(f"draw a {words}", voices[place % 2]).audio for place, words in enumerate(brief)]
        found[f"said {number}"] = [*said]
    return found


def tasks_of(groups: Sequence[str]) -> list[Task]:
    def named(start: str) -> list[str]:
        return [name for name in groups if name.startswith(start)]

    return [
        Task(name="sentences", queries=named("en"), candidates=named("en"), is_within=True),
        Task(name="all", queries=named("en"), candidates=named("en")),
        Task(name="French to English", queries=named("fr"), candidates=named("en")),
        Task(name="said to written", queries=named("said"), candidates=named("en")),
        Task(name="shown to written", queries=named("shown"), candidates=named("en")),
        Task(name="written to shown", queries=named("en"), candidates=named("shown 0")),
        Task(name="said to shown", queries=named("said"), candidates=named("shown 0")),
    ]


@torch.inference_mode()
def states_of(omni: Omni, inputs: Sequence[str | Part], num_blocks: int) -> dict[str, Tensor]:
    """Vectors of each input by each kind of pooling."""
    prepared = PreparedModel(omni.model)
    rows: list[list[Position]] = []
    for item in inputs:
        turn = encode(Message("user", as_parts(item)), omni.codecs)
        rows.append(fold(lay_out([turn], omni.vocabulary).ids, omni.vocabulary))
    lengths = torch.tensor([len(row) for row in rows])
    filled = [[*row, *[EMPTY] * (int(lengths.max()) - len(row))] for row in rows]
    states = prepared.model.states_after(
        num_blocks,
        torch.tensor([[position.ids[0] for position in row] for row in filled]),
        torch.tensor([[position.slot for position in row] for row in filled]),
        more=more_of(filled, omni.vocabulary),
        table=prepared.table,
    )
    places = torch.arange(states.shape[1])
    given = ((places >= OPENING) & (places < lengths[:, None])).float()
    weights = {
        "ours": weights_of(filled, lengths),
        "mean": given,
        "later more": given * (places - OPENING + 1),
        "last": (places == lengths[:, None] - 1).float(),
    }
    return {name: F.normalize(torch.einsum("bt,btd->bd", own, states), dim=-1) for name, own in weights.items()}


def score(task: Task, vectors: Callable[[str], Tensor], *, centred: bool) -> float:
    """How often the nearest candidate is about the query's thing."""
    queries, candidates = (torch.stack([vectors(name) for name in own]) for own in (task.queries, task.candidates))
    if centred:
        queries, candidates = queries - queries.mean((0, 1)), candidates - candidates.mean((0, 1))
    queries, candidates = F.normalize(queries, dim=-1), F.normalize(candidates, dim=-1)
    likeness = torch.einsum("gqd,hcd->gqhc", queries, candidates)
    for place, name in enumerate(task.queries):
        if name in task.candidates:
            other = task.candidates.index(name)
            if task.is_within:
                likeness[place, :, other] = -torch.inf
            else:
                likeness[place, range(len(THINGS)), other, range(len(THINGS))] = -torch.inf
    nearest = likeness.flatten(2).argmax(-1) % len(THINGS)
    return float((nearest == torch.arange(len(THINGS))).double().mean())


def measure(omni: Omni, groups: dict[str, list[str | Part]], layers: Sequence[int], name: str) -> list[dict[str, Any]]:
    found, tasks = [], tasks_of(list(groups))
    for num_blocks in layers:
        vectors = {group: states_of(omni, inputs, num_blocks) for group, inputs in groups.items()}
        for pool, centred in itertools.product(POOLS, (False, True)):
            scores = {
                task.name: score(task, lambda group, pool=pool: vectors[group][pool], centred=centred)  # noqa: B023
                for task in tasks
            }
            found.append({"model": name, "blocks": num_blocks, "pool": pool, "centred": centred, "scores": scores})
            cells = " | ".join(f"{own:.3f}" for own in scores.values())
            print(f"| {name} | {num_blocks} | {pool}{', centred' if centred else ''} | {cells} |", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", default="tiny", help="a shipped checkpoint's name or a folder (default: tiny)")
    parser.add_argument("--json", type=Path, help="write the numbers there")
    parser.add_argument("--quick", action="store_true", help="few sentences and one layer: only that it runs")
    options = parser.parse_args()
    torch.set_num_threads(1)
    omni = Omni.load(options.checkpoint)
    groups, depth = groups_of(quick=options.quick), omni.model.config.depth
    tasks = tasks_of(list(groups))
    print(f"| model | blocks | pooled by | {' | '.join(task.name for task in tasks)} |")
    print("|---|---|---|" + "---|" * len(tasks))
    chance = 1 / len(THINGS)
    print(f"| chance | | | {' | '.join([f'{chance:.3f}'] * len(tasks))} |")
    found = measure(omni, groups, [depth - 1] if options.quick else range(depth + 1), options.checkpoint)
    torch.manual_seed(0)
    untrained = OmniModel(omni.model.config, omni.vocabulary)
    for parameter in untrained.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    found += measure(Omni(untrained, omni.codecs), groups, [depth - 1], "random weights")
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
