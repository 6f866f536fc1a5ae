"""`lm-eval`: tasks of EleutherAI's lm-evaluation-harness, from files of one's own or by their names."""

from __future__ import annotations

from omniloom.evaluation.suites.report import SuiteReport, SuiteRow
from omniloom.evaluation.suites.shipped.few_shot import number_of_shots
from omniloom.evaluation.suites.suite import Job, OptionGroup, Suite


def add_arguments(group: OptionGroup) -> None:
    group.add_argument("--tasks", metavar="A,B", help="YAML files of the harness, or its tasks by name")
    group.add_argument(
        "--shots", nargs="+", type=number_of_shots, metavar="K", help="a number, in place of the task's own"
    )


def run(job: Job) -> SuiteReport:
    from omniloom.evaluation.few_shot.harness import evaluate_in_harness
    from omniloom.evaluation.suites.shipped.few_shot import subject_model

    options = job.options
    if not options.tasks:
        raise ValueError("--tasks is missing; give YAML files of the harness, or names of its tasks")
    if options.shots and (len(options.shots) > 1 or not isinstance(options.shots[0], int)):
        raise ValueError(f"the harness takes one number of --shots, got {options.shots}")
    model = subject_model(job)
    found = evaluate_in_harness(
        model, options.tasks.split(","), limit=job.limit, shots=options.shots[0] if options.shots else None
    )
    rows = []
    for task, metric in dict.fromkeys((item.task, item.metric) for item in found):
        scores = [item.score for item in found if (item.task, item.metric) == (task, metric)]
        rows.append(SuiteRow.of_scores(f"{task}, {metric}", scores))
    return job.report(rows, subject=model.name, settings={"tasks": options.tasks})


SUITE = Suite(
    name="lm-eval",
    summary="tasks of lm-evaluation-harness, from YAML files or by name",
    needs="extra eval; the harness's own tasks: a download",
    run=run,
    takes=("checkpoint", "transformers"),
    add_arguments=add_arguments,
    keeps_items=False,
)
