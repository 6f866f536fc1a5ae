"""`code-controls`: that programs are judged rightly: solutions pass, empty ones do not, attacks are contained."""

from __future__ import annotations

from omniloom.evaluation.suites.items import Items
from omniloom.evaluation.suites.report import SuiteReport, SuiteRow
from omniloom.evaluation.suites.suite import Job, OptionGroup, Suite

EMPTY = "    return None\n"


def add_arguments(group: OptionGroup) -> None:
    group.add_argument("--controls", nargs="+", choices=("problems", "attacks"), help="which to run (default: both)")


def run(job: Job) -> SuiteReport:
    chosen = job.options.controls or ["problems", "attacks"]
    items = job.items("judge")
    rows = [*(_problem_rows(job, items) if "problems" in chosen else ())]
    details: dict[str, object] = {}
    if "attacks" in chosen:
        from omniloom.evaluation.code.attacks import run_attacks

        found = run_attacks()
        details = {"attacks": {own.name: {"ended": own.told, "contained": own.is_contained} for own in found}}
        missed = [own.name for own in found if not own.is_contained]
        rows.append(
            SuiteRow.of_scores(
                "attacks contained and failed",
                [float(own.is_contained) for own in found],
                note=f"not: {', '.join(missed)}" if missed else "",
            )
        )
    return job.report(rows, subject="judge of programs", items=items, details=details)


def _problem_rows(job: Job, items: Items) -> list[SuiteRow]:
    from omniloom.data.code.mbpp import mbpp
    from omniloom.evaluation.code import judge
    from omniloom.evaluation.suites.shipped.code import problems_of

    rows = []
    for name in ("human-eval", "mbpp", "generated"):
        problems = problems_of(name, limit=job.limit, seed=job.seed)
        right = judge([(own, own.reference) for own in problems], items)
        rows.append(_row(f"{name}, reference solutions", [own.name for own in problems], right))
        if name == "mbpp":
            chosen = {own.name for own in problems}
            published = [own for own in mbpp(is_setup_first=True) if own.name in chosen]
            told = judge([(own, own.reference) for own in published], items)
            rows.append(_row("mbpp, reference solutions behind their setup", [own.name for own in published], told))
        else:
            empty = judge([(own, EMPTY) for own in problems], items)
            rows.append(_row(f"{name}, return None", [], empty))
    return rows


def _row(name: str, names: list[str], passed: list[bool]) -> SuiteRow:
    failed = [own for own, is_right in zip(names, passed, strict=False) if not is_right] if names else []
    note = f"{sum(passed)} of {len(passed)}" + (f"; not {', '.join(failed[:5])}" if failed else "")
    return SuiteRow.of_scores(name, [float(own) for own in passed], note=note)


SUITE = Suite(
    name="code-controls",
    summary="the judge of programs itself: solutions pass, empty ones do not, attacks are contained and fail",
    needs="Linux with user namespaces; HumanEval and MBPP: data, or a download",
    run=run,
    takes=(),
    add_arguments=add_arguments,
    checkpoint=None,
    limit=None,
)
