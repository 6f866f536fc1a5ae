"""Each attack is contained by the layer that is meant for it, counts as a failure, and leaves the host as it was."""

from __future__ import annotations

import os
import platform
import re
import sys
from pathlib import Path

import psutil
import pytest

from omniloom.evaluation.code.attacks import ATTACKS
from omniloom.evaluation.code.attacks.run import ATTACK_TEST, LIMITS, ended, expected_end, limits_of
from omniloom.sandbox import Job, Result, Sandbox

CALLS = {
    "ptrace": (101, 117, (16, 1, 0, 0)),
    "process_vm_readv": (310, 270, (1, 0, 0, 0, 0, 0)),
    "process_vm_writev": (311, 271, (1, 0, 0, 0, 0, 0)),
    "pidfd_getfd": (438, 438, (0, 0, 0)),
    "mount": (165, 40, (0, 0, 0, 0, 0)),
    "umount2": (166, 39, (0, 0)),
    "pivot_root": (155, 41, (0, 0)),
    "fsopen": (430, 430, (0, 0)),
    "open_tree": (428, 428, (0, 0, 0)),
    "move_mount": (429, 429, (0, 0, 0, 0, 0)),
    "unshare": (272, 97, (0x10000000,)),
    "setns": (308, 268, (0, 0)),
    "clone into a new user namespace": (56, 220, (0x10000000 | 17, 0, 0, 0, 0)),
    "keyctl": (250, 219, (0, -3, 1)),
    "add_key": (248, 217, (0, 0, 0, 0, 0)),
    "request_key": (249, 218, (0, 0, 0, 0)),
    "io_uring_setup": (425, 425, (1, 0)),
    "io_uring_enter": (426, 426, (0, 0, 0, 0, 0, 0)),
    "bpf": (321, 280, (0, 0, 0)),
    "userfaultfd": (323, 282, (1,)),
    "perf_event_open": (298, 241, (0, 0, 0, 0, 0)),
    "seccomp": (317, 277, (1, 0, 0)),
    "capset": (126, 91, (0, 0)),
    "memfd_secret": (447, 447, (0,)),
    "shmget": (29, 194, (0, 4096, 0o1600)),
    "msgget": (68, 186, (0, 0o1600)),
    "semget": (64, 190, (0, 1, 0o1600)),
    "mq_open": (240, 180, (0, 0, 0, 0)),
    "open_by_handle_at": (304, 265, (0, 0, 0)),
    "name_to_handle_at": (303, 264, (0, 0, 0, 0, 0)),
    "fanotify_init": (300, 262, (0, 0)),
    "settimeofday": (164, 170, (0, 0)),
    "adjtimex": (159, 171, (0,)),
    "sethostname": (170, 161, (0, 0)),
    "reboot": (169, 142, (0, 0, 0)),
    "kexec_load": (246, 104, (0, 0, 0, 0)),
    "init_module": (175, 105, (0, 0, 0)),
    "finit_module": (313, 273, (0, 0, 0)),
    "swapon": (167, 224, (0, 0)),
    "acct": (163, 89, (0,)),
    "syslog": (103, 116, (2, 0, 0)),
    "personality": (135, 92, (0x0040000,)),
    "quotactl": (179, 60, (0, 0, 0, 0)),
    "vmsplice": (278, 75, (0, 0, 0, 0)),
    "mlockall": (151, 230, (3,)),
    "execveat": (322, 281, (0, 0, 0, 0, 0)),
    "kcmp": (312, 272, (1, 1, 0, 0, 0)),
    "landlock_restrict_self": (446, 446, (0, 0)),
    "a call that does not exist yet": (600, 600, ()),
}
"""Numbers on x86-64 and aarch64, and arguments that would do harm or fail with another error than EPERM."""

CALL = """
import ctypes
def solve():
    libc = ctypes.CDLL(None, use_errno=True)
    result = libc.syscall({number}, *[ctypes.c_long(value) for value in {arguments}])
    if result == -1 and ctypes.get_errno() == 1:
        raise PermissionError("not permitted")
    return "it worked"
"""


def attack(sandbox: Sandbox, program: str, *, expected: str) -> Result:
    """Run it with everything that it may be after in reach of a careless sandbox."""
    result = sandbox.run(Job(program=program, test=ATTACK_TEST, limits=limits_of(expected)))
    told = ended(result)
    assert not result.passed, result
    assert re.match(expected, told), f"contained, but not as it should be: {told}\n{result}"
    return result


def inhabitants() -> list[psutil.Process]:
    """Descendants of this process that live, besides the sandbox's own two."""
    return [child for child in psutil.Process().children(recursive=True) if child.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.parametrize("name", ATTACKS)
def test_attacks_are_contained_and_fail(sandbox: Sandbox, name: str) -> None:
    if name == "a 32-bit call" and platform.machine() != "x86_64":
        pytest.skip("system calls: only x86-64 has a second table")
    before = inhabitants()
    attack(sandbox, ATTACKS[name], expected=expected_end(ATTACKS[name]))
    assert inhabitants() == before, "a process is left"
    assert sandbox.run(Job(program="def solve(): return 1", test="assert solve() == 1", limits=LIMITS)).passed


@pytest.mark.parametrize("name", CALLS)
def test_system_calls_that_no_program_needs_are_refused(sandbox: Sandbox, name: str) -> None:
    number = CALLS[name][0 if platform.machine() == "x86_64" else 1]
    attack(
        sandbox, CALL.format(number=number, arguments=CALLS[name][2]), expected="failed PermissionError not permitted"
    )


def test_the_hosts_files_are_not_there_by_their_own_names(sandbox: Sandbox, tmp_path: Path) -> None:
    kept = tmp_path / "secret"
    kept.write_text("omniloom-secret")
    names = [
        str(kept),
        str(Path(__file__)),
        str(Path.home()),
        sys.executable,
        os.getcwd(),
        "/etc/hostname",
        "/sys",
        "/run",
    ]
    program = (
        f"import os\ndef solve(): return 'it worked' if [n for n in {names!r} if os.path.exists(n)] else 'nothing'"
    )
    attack(sandbox, program, expected="failed AssertionError")


def test_secrets_of_the_environment_stay_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMNILOOM_SECRET", "omniloom-secret")
    with Sandbox() as sandbox:
        attack(sandbox, ATTACKS["secrets of the environment"], expected="failed AssertionError")


def test_files_of_one_run_are_gone_in_the_next(sandbox: Sandbox) -> None:
    write = "open('/tmp/left', 'w').write('x'); open('/dev/shm/left', 'w').write('x')\ndef solve(): return 1"
    attack(sandbox, write, expected="failed AssertionError")
    look = "import os\ndef solve(): return 'it worked' if os.listdir('/tmp') else 'nothing'"
    attack(sandbox, look, expected="failed AssertionError")


def test_a_closed_sandbox_leaves_nothing(tmp_path: Path) -> None:
    before, names = inhabitants(), set(os.listdir("/tmp"))
    mounts = Path("/proc/self/mounts").read_text()
    with Sandbox() as sandbox:
        attack(sandbox, ATTACKS["processes that outlive"], expected="failed")
        attack(sandbox, ATTACKS["full disk by many files"], expected="failed")
    assert inhabitants() == before
    assert Path("/proc/self/mounts").read_text() == mounts
    assert not [name for name in set(os.listdir("/tmp")) - names if "omniloom" in name]


def test_memory_of_a_run_comes_back() -> None:
    with Sandbox() as sandbox:
        held = []
        for _ in range(6):
            attack(sandbox, ATTACKS["memory by a list"], expected="out_of_memory")
            held.append(sum(process.memory_info().rss for process in inhabitants()))
    assert held[-1] <= held[1] + (1 << 20), held
