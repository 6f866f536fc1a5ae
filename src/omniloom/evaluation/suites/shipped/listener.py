"""`listener`: measures no model but the judge of spoken replies, whose errors stand under every score of speech."""

from __future__ import annotations

import dataclasses

from omniloom.evaluation.intervals import wilson
from omniloom.evaluation.suites.report import SuiteReport, SuiteRow
from omniloom.evaluation.suites.shipped.processes import add_listener
from omniloom.evaluation.suites.suite import Job, Suite


def run(job: Job) -> SuiteReport:
    from omniloom.data.speech import listener_measure
    from omniloom.data.speech.listener import Listener
    from omniloom.evaluation.table import LISTENER_COLUMNS, listener_rows, rich_table

    if job.seed:
        raise ValueError(f"the listener always hears the same phrases; leave out --seed {job.seed}")
    found = listener_measure.measure_listener(Listener.load(job.options.listener), num_phrases=job.num_items)
    title = "The listener, on speech it did not learn from"
    return job.report(
        [
            SuiteRow(
                name=kind.what,
                n=kind.n,
                score=kind.exact,
                low=wilson(kind.exact, kind.n).low,
                high=wilson(kind.exact, kind.n).high,
                method="Wilson",
                note=f"word error {kind.word_error:.3f}",
            )
            for kind in found
        ],
        subject=str(job.options.listener or "the shipped listener"),
        details=[dataclasses.asdict(kind) for kind in found],
        view=rich_table(title, LISTENER_COLUMNS, listener_rows(found)),
    )


SUITE = Suite(
    name="listener",
    summary="the judge of spoken replies: how well it hears by itself",
    needs="digits by people: data, or a download",
    run=run,
    takes=(),
    add_arguments=add_listener,
    checkpoint=None,
    keeps_items=False,
)
