"""The mean of a run's last checkpoints as a checkpoint for use, measured anew on the development split."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from omniloom.data.problems.pairs import pair_problem
from omniloom.generation.beam import BeamSearch
from omniloom.generation.pairs import PairCheckpoint, load_pairs, save_pairs
from omniloom.recipes.problems.measure import measure
from omniloom.training.seq2seq import averaged_weights
from omniloom.training.seq2seq.averaging import last_checkpoints


def average_run(run: Path, *, last: int, out: Path, user_file: Path | None = None) -> tuple[Path, list[int]]:
    """Write the mean of the newest checkpoints of a finished run; returns its folder and the steps averaged.

    Raises:
        ValueError: If the run has not ended, has too few checkpoints, or is no run on pairs.
    """
    if not (run / "checkpoint").is_dir():
        raise ValueError(f"{run} is no finished run on pairs; give the --out of omniloom train --problem")
    kept = load_pairs(run / "checkpoint", user_file=user_file)
    own = last_checkpoints(run, last)
    if len(own) < last:
        raise ValueError(f"{run} keeps {len(own)} checkpoints, fewer than --last {last}; average at most as many")
    model = cast(Any, kept.model)
    model.load_state_dict(averaged_weights(own))
    steps = [int(path.name.removeprefix("step-")) for path in own]
    problem = pair_problem(kept.problem)
    found = measure(kept.model, kept.encoders, problem.pairs("dev"), problem, search=BeamSearch())
    scores = {"dev": found.to_json(), "averaged_steps": steps}
    card = (
        f"# {kept.model_name} on {kept.problem}\n\n"
        f"The mean of the checkpoints of steps {', '.join(map(str, steps))}; dev: {found.score}.\n"
    )
    checkpoint = PairCheckpoint(
        problem=kept.problem,
        metric=kept.metric,
        model_name=kept.model_name,
        model=kept.model,
        encoders=kept.encoders,
        scores=scores,
    )
    return save_pairs(out, checkpoint, scores=scores, card=card), steps
