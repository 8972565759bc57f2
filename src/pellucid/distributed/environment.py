"""How this process was started: which rank of how many, by what the launcher left in the environment.

`pellucid launch` and `mpiexec` of MPICH, Open MPI's `mpirun` and Slurm's `srun` each have their own names; PyTorch's
programs read those of `torchrun` (`RANK`, `WORLD_SIZE`, `LOCAL_RANK`, …), so these are set from the others.
"""

from __future__ import annotations

import os
import re
from typing import NamedTuple

__all__ = ["FOLDER", "Place", "complete", "launched_size", "place"]

FOLDER = "PELLUCID_LAUNCH"
"""The variable with the folder in which the processes of one `pellucid launch` leave word for it."""


class Place(NamedTuple):
    """Where a process is among those that were started together; `launcher` is who started them."""

    rank: int
    size: int
    local_rank: int
    local_size: int
    launcher: str


# Of each launcher: its name, and the variables of rank, size, rank on this machine, number on this machine.
_LAUNCHERS = (
    ("mpiexec", "PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "MPI_LOCALNRANKS"),
    (
        "mpirun of Open MPI", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK",
        "OMPI_COMM_WORLD_LOCAL_SIZE",
    ),
    ("srun", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", "SLURM_STEP_TASKS_PER_NODE"),
)  # fmt: skip


def place() -> Place | None:
    """What a launcher of MPI programs says of this process; None where none started it.

    >>> place() is None or place().size >= 1
    True
    """
    for launcher, rank, size, local_rank, local_size in _LAUNCHERS:
        if (found := _number(rank)) is not None and (count := _number(size)) is not None:
            here = _number(local_size)
            local = _number(local_rank)
            if launcher == "mpiexec" and local is None and _number("SLURM_PROCID") == found:
                # srun --mpi=pmi2 has MPICH's names too, but for the places on this machine.
                launcher, local, here = "srun", _number("SLURM_LOCALID"), None
            if launcher == "srun":
                here = _tasks_here()
            return Place(found, count, found if local is None else local, count if here is None else here, launcher)
    return None


def launched_size() -> int:
    """How many processes were started together: by a launcher of MPI programs, or as `WORLD_SIZE` says; else 1."""
    found = place()
    return found.size if found else _number("WORLD_SIZE") or 1


def complete() -> None:
    """Set the variables of `torchrun` from those of the launcher, where they are not set."""
    found = place()
    if found is None or found.size == 1:
        return
    values = {
        "RANK": found.rank, "WORLD_SIZE": found.size, "LOCAL_RANK": found.local_rank,
        "LOCAL_WORLD_SIZE": found.local_size, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": 29500,
    }  # fmt: skip
    for name, value in values.items():
        os.environ.setdefault(name, str(value))


def _number(name: str) -> int | None:
    text = os.environ.get(name, "")
    return int(text) if text.isdigit() else None


def _tasks_here() -> int | None:
    """The number of processes on this machine, by Slurm's "2(x3),1": two on each of three machines, one on a fourth."""
    text = os.environ.get("SLURM_STEP_TASKS_PER_NODE", "")
    parts = re.findall(r"(\d+)(?:\(x(\d+)\))?(?:,|$)", text)
    tasks = [int(number) for number, times in parts for _ in range(int(times or 1))]
    node = _number("SLURM_NODEID") or 0
    return tasks[node] if node < len(tasks) else None
