"""What the doctor's observer notes of a program that runs in the process of the test."""

from collections.abc import Callable
from typing import Any

import pellucid
from pellucid.doctor.observed.observer import Observer
from pellucid.doctor.observed.record import ProgramRecord
from pellucid.doctor.observed.treatments import Treatment


def watched(program: Callable[[], Any], *treatments: Treatment) -> ProgramRecord:
    """The record of a program, with these treatments, from the same random state each time, as the doctor's forks."""
    pellucid.manual_seed(0)
    observer = Observer(treatments)
    observer.start()
    try:
        program()
    finally:
        observer.stop()
    return observer.finish()


def written(source: str) -> Callable[[], None]:
    """A program that is given as its text."""
    code = compile(source, "train.py", "exec")
    return lambda: exec(code, {"__name__": "__main__"})  # noqa: S102 (a text of the test's own)
