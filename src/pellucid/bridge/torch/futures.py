"""`torch.futures`: results that come later, kept by the thread that will have them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

__all__ = ["Future", "collect_all", "wait_all"]

T = TypeVar("T")


class Future(Generic[T]):
    """A result that is not there yet: `wait()` gives it once somebody has said `set_result` or `set_exception`."""

    def __init__(self, *, devices: Sequence[Any] | None = None) -> None:
        self._set = threading.Event()
        self._change = threading.Lock()
        self._value: Any = None
        self._error: BaseException | None = None
        self._waiting: list[Callable[[], None]] = []

    def done(self) -> bool:
        """Whether the result, or an error, is there."""
        return self._set.is_set()

    def wait(self) -> Any:
        """The result, waited for; raises the error that came in its place."""
        self._set.wait()
        if self._error is not None:
            raise self._error
        return self._value

    def value(self) -> Any:
        """The result that is there already.

        Raises:
            RuntimeError: it is not.
        """
        if not self.done():
            raise RuntimeError("Future not completed: value() was asked of it before a result was set; write wait()")
        return self.wait()

    def set_result(self, result: Any) -> None:
        """Give the result, once; then what waits for it runs."""
        self._finish(result, None)

    def set_exception(self, result: BaseException) -> None:
        """Give an error in place of a result: whoever waits gets it raised.

        Raises:
            AssertionError: it is no exception.
        """
        if not isinstance(result, Exception):
            raise AssertionError(f"{result} is of type {type(result)}, not an Exception.")
        self._finish(None, result)

    def _finish(self, value: Any, error: BaseException | None) -> None:
        with self._change:
            if self.done():
                raise RuntimeError(
                    "Attempting to mark a completed Future as complete again. Note that a Future can only be marked "
                    "completed once."
                )
            self._value, self._error = value, error
            self._set.set()
            waiting, self._waiting = self._waiting, []
        for call in waiting:
            call()

    def _when_done(self, call: Callable[[], None]) -> None:
        with self._change:
            if not self.done():
                self._waiting.append(call)
                return
        call()

    def then(self, callback: Callable[[Future[Any]], Any]) -> Future[Any]:
        """The future of what `callback(self)` gives once this one is done; its error, if it raises."""
        result = Future()

        def call() -> None:
            try:
                value = callback(self)
            except Exception as error:  # noqa: BLE001  whatever the program's function raises is its result
                result.set_exception(error)
            else:
                result.set_result(value)

        self._when_done(call)
        return result

    def add_done_callback(self, callback: Callable[[Future[Any]], None]) -> None:
        """Call `callback(self)` once this one is done."""
        self._when_done(lambda: callback(self))


def collect_all(futures: Sequence[Future[Any]]) -> Future[Any]:
    """The future of the list of all of them, done when all are."""
    result: Future[Any] = Future()
    remaining = len(futures)
    lock = threading.Lock()

    def one_more() -> None:
        nonlocal remaining
        with lock:
            remaining -= 1
            last = remaining == 0
        if last:
            result.set_result(list(futures))

    if not futures:
        result.set_result([])
    for future in futures:
        future._when_done(one_more)
    return result


def wait_all(futures: Sequence[Future[Any]]) -> list[Any]:
    """The results of all of them, waited for; raises the first error among them."""
    return [future.wait() for future in collect_all(futures).wait()]
