"""`Join`: processes with unequal numbers of batches. A single process has no other to wait for."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from ..group import get_world_size, is_initialized

__all__ = ["Join", "Joinable"]


class Joinable:
    """What takes part in a `Join`: a model or an optimiser that talks to the other processes."""


class Join:
    """A block in which each of `joinables` may be used as often as the process has data.

    Raises:
        NotImplementedError: there are several processes; give each as many batches, by a `DistributedSampler`.
    """

    def __init__(
        self, joinables: list[Any], enable: bool = True, throw_on_early_termination: bool = False, **kwargs: Any
    ) -> None:
        if enable and is_initialized() and get_world_size() > 1:
            raise NotImplementedError(
                "Join with several processes is not written: give each as many batches, by a DistributedSampler"
            )

    def __enter__(self) -> None:
        """Nothing: there is one process."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing: there is one process."""

    @staticmethod
    def notify_join_context(joinable: Joinable) -> None:
        """None: there is nobody to tell."""
