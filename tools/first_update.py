"""The way of `pellucid train digits` to its first update: files of pellucid, calls in them, moves between files.

    python tools/first_update.py

Calls are counted from where the command begins to where `Optimizer.step` returns for the first time; importing is not
counted. A move is a call whose caller lies in another file of pellucid.
"""

from __future__ import annotations

import contextlib
import io
import sys
import tempfile
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

import pellucid
from pellucid.experiments import RunSession, start

HOME = str(Path(pellucid.__file__).parent)


def count() -> tuple[Counter[str], int]:
    """The calls by file, and the moves between files."""
    calls: Counter[str] = Counter()
    moves = 0

    def watch(frame: FrameType, event: str, _: Any) -> None:
        nonlocal moves
        name = frame.f_code.co_filename
        if event != "call" or not name.startswith(HOME) or frame.f_code.co_name == "<module>":
            return
        calls[name.removeprefix(HOME + "/")] += 1
        caller = frame.f_back
        if caller is not None and caller.f_code.co_filename.startswith(HOME) and caller.f_code.co_filename != name:
            moves += 1

    class Reached(Exception):
        pass

    def run(folder: str) -> None:
        session: RunSession = start({"dataset": "digits", "epochs": 1}, Path(folder) / "run")
        step = session.learner.optimizer.step

        def first(*args: Any, **more: Any) -> None:
            step(*args, **more)
            sys.setprofile(None)
            raise Reached

        session.learner.optimizer.step = first
        session.run()

    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
        sys.setprofile(watch)
        try:
            run(folder)
        except Reached:
            pass
        finally:
            sys.setprofile(None)
    return calls, moves


if __name__ == "__main__":
    by_file, moves = count()
    for name, number in by_file.most_common(12):
        print(f"{number:6,}  {name}")
    print(f"{len(by_file)} files, {sum(by_file.values()):,} calls, {moves:,} moves between files")
