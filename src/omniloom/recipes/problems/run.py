"""A model trained on a problem of pairs by a hyper-parameter set, measured on the way and at its end.

    omniloom train --problem scan_simple --model transformer --hparams transformer_tiny --out runs/scan

The run's folder holds its configuration, metrics, the checkpoints of its evaluations, what each evaluation found with
the processor time spent so far, and at the end `checkpoint`, the mean of the last of them, for use. A run that was
stopped goes on to the same bits. The test split is read once, after training; what is chosen on the way is chosen on
the development split.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np

from omniloom.core.checkpoint import keep_newest, write_folder
from omniloom.core.metrics import FILE_NAME, Metrics, read_metrics
from omniloom.core.randomness import seeded
from omniloom.core.state import load_state, save_state
from omniloom.data.problems.pairs import PairEncoders, PairProblem, TextPair, pair_problem
from omniloom.data.problems.pairs.user_file import run_user_file
from omniloom.generation.beam import BeamSearch
from omniloom.generation.pairs import PairCheckpoint, save_pairs
from omniloom.models.seq2seq import Seq2SeqTransformer, Seq2SeqVocabulary, SequenceModel, sequence_models
from omniloom.recipes.problems.measure import Measured, measure, measure_held_out
from omniloom.training import record_config
from omniloom.training.loop import STATE_FILE, Trainer
from omniloom.training.parallel import Processes, joined
from omniloom.training.seq2seq import Pair, Seq2SeqTraining, averaged_weights, seq2seq_trainer
from omniloom.training.seq2seq.averaging import last_checkpoints

EVALUATIONS = "evaluations"
CHECKPOINT = "checkpoint"
GREEDY = BeamSearch(size=1)


@dataclass(frozen=True, kw_only=True)
class ProblemRun:
    """What is trained on what, and how it is measured.

    Every `evaluate_every` steps a checkpoint is kept and the development split scored, greedily and of at most
    `num_dev_pairs`. What is kept for use is the mean of the last `num_averaged` of those checkpoints. `user_file` is a
    Python file that registers a problem, a model or a set.
    """

    problem: str
    model: str = "transformer"
    training: Seq2SeqTraining = field(default_factory=Seq2SeqTraining)
    decoding: BeamSearch = field(default_factory=BeamSearch)
    evaluate_every: int = 1000
    num_dev_pairs: int = 200
    num_averaged: int = 8
    seed: int = 0
    user_file: Path | None = None

    def __post_init__(self) -> None:
        for name in ("evaluate_every", "num_dev_pairs", "num_averaged"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A problem's texts as ids, and an untrained model for them."""

    problem: PairProblem
    encoders: PairEncoders
    vocabulary: Seq2SeqVocabulary
    train: list[Pair]
    num_left_out: int


def train_problem(config: ProblemRun, *, out: Path, is_resuming: bool = False) -> Path:
    """Train, measure, and return the folder for use.

    Raises:
        ValueError: If the problem, the model or a file of theirs is bad.
        KeyboardInterrupt: If it was asked to stop; its checkpoint is written.
        ConnectionError: If it was started as several processes and another one ended.
    """
    if config.user_file is not None:
        run_user_file(config.user_file)
    with joined() as processes:
        prepared = prepare_pairs(config)
        if processes.is_first:
            record_config(out, config, model_folder=".")
        trainer = _trainer(config, prepared, out, processes)
        trainer.resume()
        _train_measuring(trainer, config, prepared, processes)
        if processes.is_first:
            _finish(config, prepared, out)
    return out / CHECKPOINT


def prepare_pairs(config: ProblemRun) -> Prepared:
    """The problem's encoders and its training pairs as ids."""
    problem = pair_problem(config.problem)
    encoders = problem.encoders()
    pairs = encoded(problem.pairs("train"), encoders)
    longest = config.training.hparams.batching.max_length
    num_left_out = sum(max(map(len, pair)) > longest for pair in pairs)
    source_size = None if encoders.is_shared else encoders.source.num_ids
    vocabulary = Seq2SeqVocabulary(size=encoders.target.num_ids, source_size=source_size)
    return Prepared(problem=problem, encoders=encoders, vocabulary=vocabulary, train=pairs, num_left_out=num_left_out)


def encoded(pairs: Sequence[TextPair], encoders: PairEncoders) -> list[Pair]:
    """Texts as ids."""
    source, target = encoders.source.encode, encoders.target.encode
    # Arrays, for millions of pairs as lists would not fit into memory.
    return [Pair(np.array(source(one), np.int32), np.array(target(other), np.int32)) for one, other in pairs]


def new_model(config: ProblemRun, vocabulary: Seq2SeqVocabulary) -> Seq2SeqTransformer:
    """An untrained model; its first weights depend on the seed alone."""
    with seeded("model", config.seed):
        return cast(Any, sequence_models.get(config.model)(config.training.hparams.model, vocabulary))


def final_steps(config: ProblemRun) -> list[int]:
    """The steps after which the run is evaluated, the last one its end."""
    return [*range(config.evaluate_every, config.training.num_steps, config.evaluate_every), config.training.num_steps]


def _trainer(config: ProblemRun, prepared: Prepared, out: Path, processes: Processes) -> Trainer[Seq2SeqTransformer]:
    model = new_model(config, prepared.vocabulary)
    return seq2seq_trainer(model, prepared.train, config.training, out, seed=config.seed, processes=processes)


def _train_measuring(
    trainer: Trainer[Seq2SeqTransformer], config: ProblemRun, prepared: Prepared, processes: Processes
) -> None:
    """Train to the end, and score the development split at each evaluation's step."""
    dev = prepared.problem.pairs("dev")[: config.num_dev_pairs]
    log = Evaluations(trainer.out, step=trainer.step) if processes.is_first else None
    scored = {line["step"] for line in evaluations(trainer.out)}
    for stop in final_steps(config):
        if trainer.step > stop or stop in scored:
            continue
        started_s = time.process_time()
        trainer.run(until=stop)
        spent_s = time.process_time() - started_s
        if trainer.step < stop:
            if log is not None:
                log.write_time(trainer.step, spent_s=spent_s)
            raise KeyboardInterrupt(f"training stopped at step {trainer.step}; add --resume to go on")
        model = trainer.whole_model()
        if log is not None:
            keep_weights(trainer.out, stop, num_kept=config.num_averaged)
            model.eval()
            found = measure(cast(SequenceModel, model), prepared.encoders, dev, prepared.problem, search=GREEDY)
            log.write(trainer.step, found, spent_s=spent_s)
        trainer.model.train()


class Evaluations:
    """What a run's evaluations found, a line each: score, its signature, and the processor time of training so far.

    Where the run was stopped there is a line of the time alone; what is trained after the last line and lost is not
    counted.
    """

    def __init__(self, out: Path, *, step: int) -> None:
        self.folder = out / EVALUATIONS
        self._cpu_s = max((line["cpu_seconds"] for line in _lines(out) if line["step"] <= step), default=0.0)
        self._step = step

    def write(self, step: int, found: Measured, *, spent_s: float) -> None:
        """Keep what was found, and show it."""
        self._write(step, found.to_json(), spent_s)
        print(f"step {step}: dev {found.score}, {self._cpu_s / 60:.1f} CPU-minutes", flush=True)

    def write_time(self, step: int, *, spent_s: float) -> None:
        """Keep the time that was spent until the run was stopped."""
        self._write(step, {}, spent_s)

    def _write(self, step: int, values: dict[str, Any], spent_s: float) -> None:
        self._cpu_s += spent_s
        with Metrics(self.folder, resume_step=self._step or None) as metrics:
            metrics.write(step, {**values, "cpu_seconds": round(self._cpu_s, 1)})
        self._step = step


def keep_weights(out: Path, step: int, *, num_kept: int) -> None:
    """Keep the weights of an evaluation's checkpoint for the mean, beside those before it.

    The run's own checkpoints will not do: which of them are left depends on the time that training took.
    """
    own: dict[str, Any] = load_state(out / "checkpoints" / f"step-{step:08d}" / STATE_FILE)
    folder = out / EVALUATIONS / "checkpoints"
    write_folder(
        folder / f"step-{step:08d}", lambda path: save_state(path / STATE_FILE, {"model": own["model"], "step": step})
    )
    keep_newest(folder, num_kept=num_kept)


def evaluations(out: str | Path) -> list[dict[str, Any]]:
    """The evaluations of a run's development split, in their order."""
    return [line for line in _lines(out) if "score" in line]


def _lines(out: str | Path) -> list[dict[str, Any]]:
    return read_metrics(Path(out) / EVALUATIONS / FILE_NAME)


def _finish(config: ProblemRun, prepared: Prepared, out: Path) -> None:
    """Average the last checkpoints, measure the mean on what was held out beside the baselines, and keep it for use."""
    own = last_checkpoints(out / EVALUATIONS, config.num_averaged)
    model = new_model(config, prepared.vocabulary)
    model.load_state_dict(averaged_weights(own))
    model.eval()
    checkpoint = PairCheckpoint(
        problem=config.problem,
        metric=prepared.problem.metric,
        model_name=config.model,
        model=cast(SequenceModel, model),
        encoders=prepared.encoders,
        scores={},
    )
    held_out = measure_held_out(checkpoint, prepared.problem, search=config.decoding)
    lines = _lines(out)
    scores = {
        **held_out.to_json(),
        "averaged_steps": [int(path.name.removeprefix("step-")) for path in own],
        "cpu_minutes": round(max((line["cpu_seconds"] for line in lines), default=0.0) / 60, 2),
        "num_parameters": model.num_parameters,
        "num_pairs": {"train": len(prepared.train), "left out as too long": prepared.num_left_out},
    }
    for line in held_out.lines():
        print(line)
    save_pairs(out / CHECKPOINT, checkpoint, scores=scores, card=card_of(config, prepared.problem, scores))


def card_of(config: ProblemRun, problem: PairProblem, scores: Mapping[str, Any]) -> str:
    """The model card: what it is, what it was trained on, and what it scored beside the baselines."""
    rows = [("test, beam search", scores["test"]), ("test, greedy", scores["test, greedy"])]
    rows += list(scores["baselines"].items())
    table = "".join(f"| {name} | {score['metric']} | {score['value']:.2f} |\n" for name, score in rows)
    hparams = config.training.hparams
    return (
        f"# {config.model} on {config.problem}\n\n"
        f"{problem.summary} ({problem.origin}; {problem.licence}).\n\n"
        f"{scores['num_parameters']:,} parameters, {config.training.num_steps:,} steps of "
        f"{hparams.batching.batch_tokens:,} tokens a side, seed {config.seed}, "
        f"{scores['cpu_minutes']} CPU-minutes of training; the mean of the checkpoints of steps "
        f"{', '.join(map(str, scores['averaged_steps']))}.\n\n"
        f"| | metric | score |\n|---|---|---|\n{table}\n"
        f"{scores['test']['num_answers']} pairs; {scores['test']['signature']}\n"
    )
