"""`card`: everything at once, codecs and human voices too; leaves the numbers and a card in the checkpoint's folder."""

from __future__ import annotations

from omniloom.evaluation.suites.report import SuiteReport
from omniloom.evaluation.suites.shipped.processes import add_processes, num_processes
from omniloom.evaluation.suites.shipped.world import world_report
from omniloom.evaluation.suites.suite import Job, Suite


def run(job: Job) -> SuiteReport:
    from omniloom.data.speech.listener import Listener
    from omniloom.evaluation.model_card import score_checkpoint
    from omniloom.evaluation.workers import row_workers
    from omniloom.generation.loading import find

    folder = find(job.checkpoint)
    listener = Listener.load(job.options.listener)
    with row_workers(folder, job.options.listener, num_processes(job.options.processes)) as pool:
        report = score_checkpoint(folder, listener=listener, limit=job.num_items, seed=job.seed, pool=pool)
    return world_report(job, report)


SUITE = Suite(
    name="card",
    summary="the world, the ends of turns, codecs and human voices; leaves a card in the checkpoint's folder",
    needs="extra serve; digits by people: data, or a download",
    run=run,
    add_arguments=add_processes,
    keeps_items=False,
)
