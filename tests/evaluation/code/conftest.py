"""Two problems that need no data, and the sandbox that judges them or the reason why it is not there."""

from __future__ import annotations

import pytest

from omniloom.data.code.problem import CodeProblem
from omniloom.sandbox import Sandbox, SandboxUnavailable

PROBLEMS = [
    CodeProblem(
        name=f"mine/{name}",
        prompt=f'def {name}(x):\n    """Twice x."""\n',
        test=f"assert {name}(4) == 8\nassert {name}('ab') == 'abab'\n",
        entry_points=(name,),
        reference="    return 2 * x\n",
        description="Twice x.",
        header=f"def {name}(x):\n",
    )
    for name in ("double", "twice")
]


@pytest.fixture(scope="session")
def contained() -> None:
    try:
        Sandbox().close()
    except SandboxUnavailable as error:
        pytest.skip(f"no containment here: {error}")
