"""A transfer that was begun with `async_op=True`, by `isend` or by `irecv`, and can be waited for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from .ranks import Agreement, ProcessGroup
from .wire import Request

__all__ = ["Work"]


class Work:
    """A transfer under way. The tensors may be read, and changed, after `wait()`."""

    def __init__(
        self, group: ProcessGroup, what: str, checks: Sequence[Agreement], request: Request | None,
        after: Callable[[], Any] | None = None, look: Callable[[], None] | None = None, keep: Any = None,
    ) -> None:  # fmt: skip
        self._group, self._what, self._checks, self._request = group, what, list(checks), request
        self._after, self._look = after, look
        self._keep = keep  # memory that MPI reads from and writes to meanwhile
        self._done = False
        self._error: BaseException | None = None

    def wait(self, timeout: timedelta | None = None) -> bool:
        """Return when the transfer is made: True. Raises RuntimeError where the ranks disagree, or after a timeout."""
        if self._error is not None:
            raise self._error
        if not self._done:
            try:
                seconds = None if timeout is None else timeout.total_seconds()
                for check in self._checks:
                    check.check(seconds)
                self._group.wait(self._request, self._what, self._look, seconds)
                if self._after is not None:
                    self._after()
            except BaseException as error:
                self._error = error
                raise
            finally:
                self._keep = self._request = None
            self._done = True
        return True

    def is_completed(self) -> bool:
        """Whether the transfer is made; never waits."""
        if not self._done and self._error is None:
            if not all(check.arrived() for check in self._checks):
                return False
            if self._request is not None and not self._request.Test():
                return False
            self.wait()
        return True

    def is_success(self) -> bool:
        """Whether the transfer is made without an error."""
        return self._done

    def exception(self) -> BaseException | None:
        """The error that it ended with."""
        return self._error
