"""The processes that train one model together, as torchrun starts them; without torchrun there is one.

    torchrun --nproc-per-node 8 -m omniloom.cli train base

The rows of a step are shared out, and losses and gradients are those of all its rows, so how many processes there are
changes how long a run takes and not what it learns. Rank 0 alone writes; what only one may do it does first, and the
others wait without a time limit, because preparing data takes hours and a collective gives up after minutes.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

T = TypeVar("T")

COLLECTIVE_TIMEOUT = timedelta(minutes=10)
"""How long one process waits for another within a step: far longer than rank 0 takes to write a checkpoint."""

POLL_S = 0.2
DONE, FAILED = "done", "failed"


@dataclass
class Processes:
    """This process among those that train one model; alone it is rank 0 of 1 and exchanges nothing."""

    rank: int = 0
    world_size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    store: dist.Store | None = None
    _num_waits: int = 0

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    @property
    def is_alone(self) -> bool:
        return self.world_size == 1

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum of every process's tensor; all must ask, in the same order."""
        if self.is_alone:
            return tensor
        total = tensor.detach().to(self.device, copy=True)
        dist.all_reduce(total)
        return total.to(tensor.device)

    def any(self, *claims: bool) -> tuple[bool, ...]:
        """For each claim, whether it holds in some process; all hear the same."""
        if self.is_alone:
            return claims
        return tuple(count > 0 for count in self.sum(torch.tensor(claims, dtype=torch.int32)).tolist())

    def wait(self) -> None:
        """Go on when all have come here.

        Raises:
            ConnectionError: If one of them has ended.
        """
        with self.explaining_loss():
            self.any(False)

    def after_first(self, make: Callable[[], T], load: Callable[[], T]) -> T:
        """What rank 0 makes alone; the others wait for it, however long it takes, and load it.

        Raises:
            ConnectionError: On the others, if rank 0 failed or has ended.
        """
        if self.is_alone:
            return make()
        assert self.store is not None
        key = f"made-{self._num_waits}"
        self._num_waits += 1
        with self.explaining_loss():
            if self.is_first:
                outcome = FAILED
                try:
                    made = make()
                    outcome = DONE
                finally:
                    self.store.set(key, outcome)
                return made
            while not self.store.check([key]):
                time.sleep(POLL_S)
            if self.store.get(key).decode() == FAILED:
                raise ConnectionError(f"rank {self.rank} stops, as rank 0 failed; rank 0 says why")
        return load()

    @contextmanager
    def explaining_loss(self) -> Iterator[None]:
        """Turns what a backend says when another process has gone into one error that says what to do.

        Raises:
            ConnectionError: If another process has ended or answers no more.
        """
        try:
            yield
        except RuntimeError as error:
            if self.is_alone or not _is_of_connection(error):
                raise
            # torchrun ends the processes that are left by SIGTERM, at once: the message shall come first.
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
            raise ConnectionError(
                f"rank {self.rank} stops, as another of the {self.world_size} processes has ended or does not answer; "
                "its own error, or torchrun's report below, says why (killed without a word: often out of memory); "
                "start again with --resume, with as many processes as you like, from the newest checkpoint"
            ) from error


def alone() -> Processes:
    """One process, on the GPU if there is one."""
    return Processes(device=torch.device("cuda" if torch.cuda.is_available() else "cpu"))


@contextmanager
def joined() -> Iterator[Processes]:
    """This process's place among those that torchrun started, or alone; they part at the end.

    Raises:
        ValueError: If this machine has fewer GPUs than processes.
    """
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    if world_size == 1:
        yield alone()
        return
    processes = Processes(int(os.environ["RANK"]), world_size, _own_device())
    with processes.explaining_loss():
        _meet(processes)
    try:
        yield processes
    except KeyboardInterrupt:
        # All stopped at one step; torchrun's SIGTERM to the slower ones must not cut off what they say.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        dist.destroy_process_group()
        raise
    # After any other error the group is left as it is: parting waits for processes that may be gone.
    processes.wait()
    dist.destroy_process_group()


def _meet(processes: Processes) -> None:
    store, rank, world_size = next(rendezvous("env://", timeout=COLLECTIVE_TIMEOUT))
    is_on_gpu = processes.device.type == "cuda"
    dist.init_process_group(
        "nccl" if is_on_gpu else "gloo",
        store=PrefixStore("collectives", store),
        rank=rank,
        world_size=world_size,
        timeout=COLLECTIVE_TIMEOUT,
        device_id=processes.device if is_on_gpu else None,
    )
    processes.store = PrefixStore("omniloom", store)


def _own_device() -> torch.device:
    if not torch.cuda.is_available():
        return torch.device("cpu")
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    num_local, num_gpus = int(os.environ.get("LOCAL_WORLD_SIZE", "1")), torch.cuda.device_count()
    if num_local > num_gpus:
        raise ValueError(f"{num_local} processes for {num_gpus} GPUs; give torchrun --nproc-per-node {num_gpus}")
    torch.cuda.set_device(local_rank)
    return torch.device("cuda", local_rank)


def _is_of_connection(error: RuntimeError) -> bool:
    """Whether a backend lost its peer; gloo says so in words only."""
    text = str(error).casefold()
    return isinstance(error, dist.DistError) or any(word in text for word in ("gloo", "nccl", "connection"))
