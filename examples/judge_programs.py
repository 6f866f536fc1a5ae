"""Judge programs by problems of your own, contained, and estimate how often one of k samples is right.

    python examples/judge_programs.py

Here the samples are written by hand. A model's are drawn, judged and counted by
`omniloom evaluate code --problems FILE`.
"""

from __future__ import annotations

from omniloom.data.code.problem import CodeProblem
from omniloom.evaluation.code import judge, pass_at_k
from omniloom.evaluation.suites import Items

PROBLEM = CodeProblem(
    name="mine/median",
    prompt='def median(numbers):\n    """The middle one of an odd number of numbers."""\n',
    test="assert median([3, 1, 2]) == 2\nassert median([7]) == 7\nassert median([5, 5, 1, 9, 0]) == 5\n",
    entry_points=("median",),
    reference="    return sorted(numbers)[len(numbers) // 2]\n",
    description="The middle one of an odd number of numbers.",
    header="def median(numbers):\n",
)
SAMPLES = [
    "    return sorted(numbers)[len(numbers) // 2]\n",
    "    return numbers[len(numbers) // 2]\n",
    "    import statistics\n    return statistics.median(numbers)\n",
    "    return sum(numbers) / len(numbers)\n",
    "    import os\n    os._exit(0)\n",
    "    while True:\n        pass\n",
]


def main() -> None:
    items = Items(None, suite="example", subject="by hand", settings={})
    passed = judge([(PROBLEM, sample) for sample in SAMPLES], items)
    for sample, is_right in zip(SAMPLES, passed, strict=True):
        print("passed" if is_right else "failed", "|", sample.strip().splitlines()[-1].strip())
    for k in (1, 2, 4):
        print(f"pass@{k} {pass_at_k(len(passed), sum(passed), k):.3f}")


if __name__ == "__main__":
    main()
