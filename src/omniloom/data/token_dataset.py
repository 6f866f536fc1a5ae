"""Examples as tokens on disk: made once by several processes, resumed by shard, read without loading.

A shard is a folder of plain numpy arrays, written whole or not at all; what it holds depends on the plan and its own
number, never on which process made it. So a broken-off preparation goes on where it stood and ends with the same bytes.
The codecs are kept beside the shards: tokens without the codecs that made them mean nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from omniloom.codecs.bundle import CodecSet
from omniloom.core.checkpoint import MANIFEST, read_manifest, write_folder
from omniloom.core.config import from_dict, to_dict
from omniloom.core.processes import one_thread_each
from omniloom.core.progress import Progress
from omniloom.core.randomness import generator
from omniloom.data.encoding import MessageEncoder, without_prompt
from omniloom.data.problems import Example, Mixture, Split, WorldMix
from omniloom.stream.folding import fold
from omniloom.stream.layout import REPLY_CLASS, LossClass, Row, Turn, lay_out
from omniloom.stream.vocabulary import PAD, Vocabulary

SHARD_EXAMPLES = 2048
BATCH_EXAMPLES = 128
"""Examples whose sounds and pictures are encoded together."""

PLAN = "plan.json"
INDEX = "index.json"
EXAMPLES_PER_SEED = 2**40
"""Far more than anybody makes, so that datasets of different seeds share no example."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What decides every byte of a dataset, beside the codecs."""

    mix: WorldMix
    split: Split
    num_examples: int
    seed: int
    shard_examples: int = SHARD_EXAMPLES

    @property
    def num_shards(self) -> int:
        return -(-self.num_examples // self.shard_examples)

    def indices(self, shard: int) -> range:
        """The examples of a shard, as places in the dataset."""
        return range(shard * self.shard_examples, min((shard + 1) * self.shard_examples, self.num_examples))


def prepare(
    out: str | Path,
    *,
    mix: WorldMix,
    codecs: CodecSet,
    num_examples: int,
    split: Split = "train",
    seed: int = 0,
    processes: int = 2,
    shard_examples: int = SHARD_EXAMPLES,
    max_tokens: int | None = None,
) -> TokenDataset:
    """Make a dataset of encoded examples, or finish one that was broken off.

    Raises:
        ValueError: If `out` holds a dataset made otherwise, a number is out of range, or an example is longer than
            `max_tokens`, which should be the length of the rows that it will be packed into.
    """
    if num_examples < 1 or processes < 1 or shard_examples < 1 or seed < 0:
        raise ValueError(
            "num_examples, processes and shard_examples must be at least 1 and seed at least 0, "
            f"got {num_examples}, {processes}, {shard_examples}, {seed}"
        )
    out = Path(out)
    plan = Plan(mix=mix, split=split, num_examples=num_examples, seed=seed, shard_examples=shard_examples)
    _write_plan(out, plan, codecs)
    shards = [shard for shard in range(plan.num_shards) if not _is_whole(out, shard)]
    left = sum(len(plan.indices(shard)) for shard in shards)
    with Progress("preparing data", total=num_examples, unit="example", done=num_examples - left) as progress:
        for shard in _make_shards(out, shards, processes, max_tokens):
            progress.advance(len(plan.indices(shard)))
    _write_index(out, plan)
    return TokenDataset.open(out)


def encode_examples(
    examples: list[Example], encoder: MessageEncoder, vocabulary: Vocabulary, *, dropped: list[bool]
) -> list[Row]:
    """Rows of examples, encoded together; a dropped one is its drawing without the prompt."""
    messages = [message for example in examples for message in example.messages]
    encoded = iter(encoder.encode(messages))
    rows = []
    for example, is_dropped in zip(examples, dropped, strict=True):
        own = [next(encoded) for _ in example.messages]
        rows.append(lay_out(without_prompt(own) if is_dropped else own, vocabulary))
    return rows


class EncodedExample(NamedTuple):
    """A row position by position (`stream.folding`): its ids, those beside them (T, K), slots, loss classes.

    And of frames of a user's sound, what they say of the end of the turn, and the id of the word heard, else <pad>.
    """

    ids: NDArray[np.uint16]
    more: NDArray[np.uint16]
    slots: NDArray[np.uint8]
    classes: NDArray[np.uint8]
    turns: NDArray[np.uint8]
    words: NDArray[np.uint16]


def folded(row: Row, vocabulary: Vocabulary) -> EncodedExample:
    """A row as the model sees it; what a user shows is never predicted where several ids stand at one position."""
    positions = fold(row.ids, vocabulary)
    more = np.full((len(positions), vocabulary.max_group - 1), PAD, np.uint16)
    classes, turns = np.zeros((2, len(positions)), np.uint8)
    words = np.full(len(positions), PAD, np.uint16)
    start = 0
    for place, position in enumerate(positions):
        stop = start + len(position.ids)
        more[place, : stop - start - 1] = position.ids[1:]
        is_predicted = stop == start + 1 or row.classes[start] in REPLY_CLASS.values()
        classes[place] = row.classes[start] if is_predicted else LossClass.NONE
        turns[place] = max(row.turns[start:stop]) if vocabulary.has_turn_end else Turn.UNKNOWN
        words[place] = max(row.words[start:stop])
        start = stop
    assert start == len(row.ids), "a row ends with a whole group"
    ids = np.array([position.ids[0] for position in positions], np.uint16)
    return EncodedExample(ids, more, np.array([p.slot for p in positions], np.uint8), classes, turns, words)


class TokenDataset:
    """Encoded examples by number: `dataset[i]`; open one with `open`."""

    def __init__(self, folder: Path, plan: Plan, index: dict[str, Any], vocabulary: Vocabulary) -> None:
        self.folder, self.plan, self.vocabulary = folder, plan, vocabulary
        self.tasks: tuple[str, ...] = tuple(index["tasks"])
        self.fingerprints: dict[str, str] = index["fingerprints"]
        self.num_more = vocabulary.max_group - 1
        self._shards = [_Shard(folder / shard_name(shard)) for shard in range(plan.num_shards)]
        self.lengths: NDArray[np.int64] = np.concatenate([np.diff(shard.offsets) for shard in self._shards])
        self.task_of: NDArray[np.uint8] = np.concatenate([np.asarray(shard.tasks) for shard in self._shards])

    @classmethod
    def open(cls, folder: str | Path) -> TokenDataset:
        """The dataset in a folder, its tokens left on disk.

        Raises:
            ValueError: If it is unfinished, torn, or none at all.
        """
        folder = Path(folder)
        if not (folder / PLAN).is_file():
            raise ValueError(f"{folder} holds no dataset: it has no {PLAN}; give a folder made by preparing data")
        if not (folder / INDEX).is_file():
            raise ValueError(f"{folder} is unfinished: it has no {INDEX}; prepare it with the same settings to end it")
        data = json.loads((folder / PLAN).read_text())
        index = json.loads((folder / INDEX).read_text())
        plan = from_dict(Plan, data["plan"])
        for shard, digest in enumerate(index["shards"]):
            path = folder / shard_name(shard)
            if not path.is_dir():
                raise ValueError(f"{folder} is torn: {path.name} is missing; prepare it again with the same settings")
            read_manifest(path)
            if _digest_of(path) != digest:
                raise ValueError(f"{folder} is torn: {path.name} is of another dataset; prepare it again")
        return cls(folder, plan, index, Vocabulary.from_json(data["vocabulary"]))

    def __len__(self) -> int:
        return self.plan.num_examples

    def __getitem__(self, example: int) -> EncodedExample:
        if not 0 <= example < len(self):
            raise IndexError(f"example must be between 0 and {len(self) - 1}, got {example}")
        return self._example(example)

    def _example(self, example: int) -> EncodedExample:
        shard = self._shards[example // self.plan.shard_examples]
        place = example % self.plan.shard_examples
        tokens = slice(int(shard.offsets[place]), int(shard.offsets[place + 1]))
        a = shard.arrays
        return EncodedExample(*(getattr(a, name)[tokens] for name in EncodedExample._fields))

    @property
    def num_tokens(self) -> int:
        return int(self.lengths.sum())

    def summary(self) -> dict[str, dict[str, float]]:
        """For each task: its number of examples and their mean length in positions."""
        found = {}
        for number, task in enumerate(self.tasks):
            lengths = self.lengths[self.task_of == number]
            if lengths.size:
                found[task] = {"examples": int(lengths.size), "mean_tokens": round(float(lengths.mean()), 1)}
        return found


class Subset(TokenDataset):
    """Some examples of a dataset, numbered anew in the order given."""

    def __init__(self, whole: TokenDataset, examples: Sequence[int] | NDArray[np.int64]) -> None:
        self.whole, self.examples, self.folder = whole, np.asarray(examples, np.int64), whole.folder
        self.lengths, self.task_of = whole.lengths[self.examples], whole.task_of[self.examples]
        self.tasks, self.fingerprints = whole.tasks, whole.fingerprints
        self.vocabulary, self.num_more = whole.vocabulary, whole.num_more

    def __len__(self) -> int:
        return len(self.examples)

    def _example(self, example: int) -> EncodedExample:
        return self.whole[int(self.examples[example])]


class Joined(TokenDataset):
    """Several datasets of the same codecs, one after the other.

    Raises:
        ValueError: If there is none, or one was made with other codecs.
    """

    def __init__(self, parts: Sequence[TokenDataset]) -> None:
        if not parts:
            raise ValueError("there is no dataset to join; give at least one")
        first = parts[0]
        for other in parts[1:]:
            if other.vocabulary.to_json() != first.vocabulary.to_json():
                raise ValueError(f"{other.folder} was made with other codecs than {first.folder}; prepare it again")
        self.parts = tuple(parts)
        self.tasks = tuple(dict.fromkeys(task for part in parts for task in part.tasks))
        numbers = [np.array([self.tasks.index(task) for task in part.tasks], np.uint8) for part in parts]
        self.task_of = np.concatenate([own[part.task_of] for own, part in zip(numbers, parts, strict=True)])
        self.lengths = np.concatenate([part.lengths for part in parts])
        self._starts = np.cumsum([0, *(len(part) for part in parts)])
        self.folder, self.fingerprints = first.folder, first.fingerprints
        self.vocabulary, self.num_more = first.vocabulary, first.num_more

    def __len__(self) -> int:
        return int(self._starts[-1])

    def _example(self, example: int) -> EncodedExample:
        part = int(np.searchsorted(self._starts, example, side="right")) - 1
        return self.parts[part][example - int(self._starts[part])]


class _Shard:
    """The arrays of a shard, mapped when first looked at."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.offsets: NDArray[np.int64] = np.load(path / "offsets.npy")

    @cached_property
    def arrays(self) -> EncodedExample:
        return EncodedExample(*(np.load(self._path / f"{name}.npy", mmap_mode="r") for name in EncodedExample._fields))

    @cached_property
    def tasks(self) -> NDArray[np.uint8]:
        return np.load(self._path / "tasks.npy")


def shard_name(shard: int) -> str:
    return f"shard-{shard:05d}"


def _write_plan(out: Path, plan: Plan, codecs: CodecSet) -> None:
    vocabulary = codecs.vocabulary()
    if vocabulary.size > 2**16:
        raise ValueError(f"shards keep ids below {2**16}, the vocabulary has {vocabulary.size}; use smaller codecs")
    text = json.dumps({"plan": to_dict(plan), "vocabulary": vocabulary.to_json()}, indent=1, sort_keys=True) + "\n"
    path = out / PLAN
    if path.exists():
        if path.read_text() != text:
            raise ValueError(
                f"{out} holds a dataset of another mix, size, seed or codecs; choose another folder or delete it"
            )
        return
    if out.exists() and any(out.iterdir()):
        raise ValueError(f"{out} is not empty and holds no dataset; choose another folder")
    out.mkdir(parents=True, exist_ok=True)
    codecs.save(out / "codecs")
    _write_text(path, text)


def _make_shards(out: Path, shards: list[int], processes: int, max_tokens: int | None) -> Iterator[int]:
    """Make shards, each number given as it is done; one process means this one."""
    if processes == 1 or len(shards) < 2:
        _start_worker(str(out), max_tokens)
        for shard in shards:
            yield _make_shard(shard)
        return
    with one_thread_each(processes, _start_worker, str(out), max_tokens) as pool:
        yield from _keep_busy(pool, shards, processes)


def _keep_busy(pool: ProcessPoolExecutor, shards: list[int], processes: int) -> Iterator[int]:
    """Hand out one shard a worker and one ahead, so that an interruption waits for little."""
    waiting = iter(shards)
    running: set[Future[int]] = set()
    while True:
        for shard in waiting:
            running.add(pool.submit(_make_shard, shard))
            if len(running) > processes:
                break
        if not running:
            return
        done, running = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            yield future.result()


@dataclass
class _Worker:
    """What a process keeps between shards."""

    out: Path
    plan: Plan
    world: Mixture
    encoder: MessageEncoder
    vocabulary: Vocabulary
    max_tokens: int | None


_worker: _Worker | None = None


def _start_worker(out: str, max_tokens: int | None) -> None:
    global _worker
    plan = from_dict(Plan, json.loads((Path(out) / PLAN).read_text())["plan"])
    codecs = CodecSet.load(Path(out) / "codecs")
    _worker = _Worker(Path(out), plan, Mixture(plan.mix), MessageEncoder(codecs), codecs.vocabulary(), max_tokens)


def _make_shard(shard: int) -> int:
    assert _worker is not None
    plan, world = _worker.plan, _worker.world
    numbers = {task.name: number for number, task in enumerate(world.tasks)}
    rows: list[EncodedExample] = []
    tasks: list[int] = []
    indices = plan.indices(shard)
    for start in range(0, len(indices), BATCH_EXAMPLES):
        chosen = [plan.seed * EXAMPLES_PER_SEED + index for index in indices[start : start + BATCH_EXAMPLES]]
        examples = [world.example(plan.split, index) for index in chosen]
        dropped = [_is_dropped(example, index, plan) for example, index in zip(examples, chosen, strict=True)]
        flat = encode_examples(examples, _worker.encoder, _worker.vocabulary, dropped=dropped)
        encoded = [folded(row, _worker.vocabulary) for row in flat]
        _check_lengths(examples, encoded, _worker.max_tokens)
        rows += encoded
        tasks += [numbers[example.task] for example in examples]
    write_folder(_worker.out / shard_name(shard), lambda path: _save_arrays(path, rows, tasks))
    return shard


def _check_lengths(examples: list[Example], rows: list[EncodedExample], max_tokens: int | None) -> None:
    for example, row in zip(examples, rows, strict=True):
        if max_tokens is not None and len(row.ids) > max_tokens:
            places = [fact.removeprefix("place:") for fact in example.facts if fact.startswith("place:")]
            name = places[0] if places else f"an example of {example.task}"
            raise ValueError(
                f"{name} has {len(row.ids)} tokens, at most {max_tokens} fit a row; shorten it or make rows longer"
            )


def _is_dropped(example: Example, index: int, plan: Plan) -> bool:
    is_drawing = example.task.startswith("draw") and plan.split == "train"
    return is_drawing and generator("dropped", plan.split, index).random() < plan.mix.dropped_prompts


def _save_arrays(path: Path, rows: list[EncodedExample], tasks: list[int]) -> None:
    for name in EncodedExample._fields:
        np.save(path / f"{name}.npy", np.concatenate([getattr(row, name) for row in rows]))
    np.save(path / "offsets.npy", np.cumsum([0, *(len(row.ids) for row in rows)], dtype=np.int64))
    np.save(path / "tasks.npy", np.array(tasks, dtype=np.uint8))


def _is_whole(out: Path, shard: int) -> bool:
    """Whether a shard is there; a torn one is an error rather than silently made again."""
    path = out / shard_name(shard)
    if not path.exists():
        return False
    read_manifest(path)
    return True


def _write_index(out: Path, plan: Plan) -> None:
    data = json.loads((out / PLAN).read_text())
    index = {
        "tasks": [task.name for task in Mixture(plan.mix).tasks],
        "fingerprints": {codec["modality"]: codec["fingerprint"] for codec in data["vocabulary"]["codecs"]},
        "shards": [_digest_of(out / shard_name(shard)) for shard in range(plan.num_shards)],
    }
    _write_text(out / INDEX, json.dumps(index, indent=1, sort_keys=True) + "\n")


def _digest_of(shard: Path) -> str:
    return hashlib.sha256((shard / MANIFEST).read_bytes()).hexdigest()


def _write_text(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text)
    partial.replace(path)
