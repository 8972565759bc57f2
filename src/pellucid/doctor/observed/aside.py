"""Work of the doctor's own within the user's program, which the observer does not see."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from pellucid.core import state


class Aside(AbstractContextManager[None]):
    """For the length of a block an observer does not stand behind the door, and counts itself as inside."""

    def __init__(self, observer: Any) -> None:
        self.observer = observer

    def __enter__(self) -> None:
        self.before: Any = state.interpreters
        state.interpreters = tuple(i for i in self.before if i is not self.observer)
        self.observer.inside += 1

    def __exit__(self, *error: object) -> None:
        state.interpreters = self.before
        self.observer.inside -= 1
