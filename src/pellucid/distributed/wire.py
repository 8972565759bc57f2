"""What carries arrays from rank to rank: MPI, or nothing where there is a single process.

Both have the same few methods, so that each collective is written once. Arrays are NumPy's, contiguous; `None` for
`send` means that `recv` holds what is sent, and takes what comes.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from typing import Any, Protocol

from pellucid.backend import Array

from .environment import place

__all__ = ["Alone", "Mpi", "Request", "Wire", "over_mpi", "until"]

_SPINS = 2000  # looks at a request before the process sleeps between them: some milliseconds
_NAP = 2e-4


class Request(Protocol):
    """A transfer under way: mpi4py's `Request`."""

    def Test(self) -> bool: ...


class Wire(Protocol):
    """A group of processes, and the transfers among them."""

    rank: int
    size: int

    def call(self, name: str, send: Array | None, recv: Array | None, *rest: Any) -> None:
        """Make a collective transfer, and return when it is made."""

    def start(self, name: str, send: Array | None, recv: Array | None, *rest: Any) -> Request | None:
        """Begin one; None where it is made already."""

    def objects(self, name: str, value: Any, root: int | None = None) -> Any:
        """Python objects by `bcast`, `gather`, `scatter`, `allgather`."""

    def part(self, ranks: Sequence[int], local: bool) -> Wire | None:
        """The wire among some of these processes; None for those that are not among them."""

    def copied(self) -> Wire:
        """The same processes, whose transfers are apart."""
        ...

    def free(self) -> None: ...


class Alone:
    """A group of a single process: what it sends, it has."""

    rank, size = 0, 1

    def call(self, name: str, send: Array | None, recv: Array | None, *rest: Any) -> None:
        if send is not None and recv is not None:
            recv.reshape(-1)[...] = send.reshape(-1)

    def start(self, name: str, send: Array | None, recv: Array | None, *rest: Any) -> None:
        self.call(name, send, recv)

    def objects(self, name: str, value: Any, root: int | None = None) -> Any:
        return {"bcast": value, "scatter": value[0] if name == "scatter" else None}.get(name, [value])

    def part(self, ranks: Sequence[int], local: bool) -> Alone:
        return Alone()

    def copied(self) -> Alone:
        return Alone()

    def free(self) -> None:
        """Nothing is held."""


class Mpi:
    """A communicator of mpi4py's."""

    def __init__(self, communicator: Any) -> None:
        self.communicator = communicator
        self.rank, self.size = communicator.rank, communicator.size

    def call(self, name: str, send: Array | None, recv: Array | None, *rest: Any) -> None:
        getattr(self.communicator, name)(*self._arguments(name, send, recv, rest))

    def start(self, name: str, send: Array | None, recv: Array | None, *rest: Any) -> Request:
        return getattr(self.communicator, f"I{name.lower()}")(*self._arguments(name, send, recv, rest))

    def _arguments(self, name: str, send: Array | None, recv: Array | None, rest: tuple[Any, ...]) -> list[Any]:
        from mpi4py import MPI

        if name == "Barrier":
            return []
        rest = tuple(getattr(MPI, part) if isinstance(part, str) else part for part in rest)
        if name == "Bcast":
            return [recv, *rest]
        if name == "Alltoallv":  # with how many bytes go to each rank, and come from each
            return [[send, rest[0]], [recv, rest[1]]]
        if name == "Scatter":
            return [send, MPI.IN_PLACE if recv is None else recv, *rest]
        return [MPI.IN_PLACE if send is None else send, recv, *rest]

    def objects(self, name: str, value: Any, root: int | None = None) -> Any:
        method = getattr(self.communicator, name)
        return method(value) if root is None else method(value, root)

    def part(self, ranks: Sequence[int], local: bool) -> Mpi | None:
        if local:
            if self.rank not in ranks:
                return None
            members = self.communicator.group.Incl(list(ranks))
            return Mpi(self.communicator.Create_group(members))
        from mpi4py import MPI

        inside = self.rank in ranks
        made = self.communicator.Split(
            0 if inside else MPI.UNDEFINED, list(ranks).index(self.rank) if inside else self.rank
        )
        return Mpi(made) if inside else None

    def copied(self) -> Mpi:
        return Mpi(self.communicator.Dup())

    def free(self) -> None:
        self.communicator.Free()


def over_mpi() -> Mpi:
    """All processes that MPI started together, by a communicator of pellucid's own.

    Raises ModuleNotFoundError where mpi4py is absent, RuntimeError where it finds no MPI library, or another one than
    that of the launcher.
    """
    try:
        import mpi4py

        if "mpi4py.MPI" not in sys.modules:  # the program may have begun MPI itself
            mpi4py.rc.initialize, mpi4py.rc.finalize = False, True
        from mpi4py import MPI
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            'pellucid.distributed sends by MPI, which needs the packages mpi4py and mpich: pip install "pellucid[mpi]"',
            name="mpi4py",
        ) from None
    except (ImportError, RuntimeError) as error:
        raise RuntimeError(
            f'mpi4py found no MPI library ({error}). One comes as a package: pip install "pellucid[mpi]"'
        ) from error
    if not MPI.Is_initialized():
        _check_launcher(MPI.Get_library_version())
        MPI.Init_thread()
    return Mpi(MPI.COMM_WORLD.Dup())


def _check_launcher(version: str) -> None:
    """RuntimeError where the launcher is that of another MPI library.

    MPI itself would end the process in the midst, or take each process for the only one.
    """
    library = " ".join(version.partition("\n")[0].partition(",")[0].replace("Version:", "").strip("\0 ").split())
    by_pmix = "PMIX_NAMESPACE" in os.environ  # Open MPI's mpirun, and srun --mpi=pmix
    found = place()
    helped = by_pmix or "PMI_RANK" in os.environ  # which srun --mpi=none does not: then each process is alone
    if found is not None and found.size > 1 and helped and by_pmix != ("Open MPI" in library):
        slurm = "srun --mpi=pmix" if "Open MPI" in library else "srun --mpi=pmi2"
        raise RuntimeError(
            f"{found.launcher} started this process, but mpi4py finds another MPI library here, {library}. Start the "
            f"processes with pellucid launch, or with the mpiexec that belongs to {library}; Slurm: {slurm}"
        )


def until(request: Request | None, seconds: float | None = None, look: Any = None) -> bool:
    """Wait for a transfer: True when it is made, False where `seconds` are over.

    Python's signals are seen meanwhile, as they are not within a call of MPI's. `look()` is called now and then.
    """
    if request is None:
        return True
    spins, begun = 0, time.monotonic()
    yielded = getattr(os, "sched_yield", lambda: time.sleep(0))
    while not request.Test():
        spins += 1
        if spins < _SPINS:
            yielded()
            continue
        time.sleep(_NAP)
        if look is not None:
            look()
        if seconds is not None and time.monotonic() - begun > seconds:
            return False
    return True
