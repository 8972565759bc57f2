"""The user's program, run as they would run it, with the hooks of the doctor in its loops."""

from __future__ import annotations

import builtins
import operator
import os
import sys
import types
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from pellucid.doctor.notebook import Shell, is_notebook
from pellucid.doctor.process import endings, sandbox
from pellucid.doctor.process.caught import CAUGHT, CaughtErrors
from pellucid.doctor.process.instrument import (
    DECIDE,
    ENTER,
    HEAD,
    LEAVE,
    LEFT,
    ORDER,
    TAIL,
    VALUE,
    Importer,
    Loops,
    is_users,
)
from pellucid.doctor.process.paths import Scope
from pellucid.doctor.process.printed import watch_print
from pellucid.doctor.sources import home_of, text_of

COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


class UserProgram:
    """A script, its modules, and who listens to its loops."""

    def __init__(self, script: Path, args: list[str]) -> None:
        self.script, self.args = script.resolve(), args
        self.home = home_of(self.script)
        self.root = self.home.root
        self.loops = Loops()
        self.main = types.ModuleType("__main__")
        self.listener: Any = None
        self.broken: set[int] = set()
        self.caught = CaughtErrors(self.loops.sources)
        self.printed: list[str] = []
        self.forks = 0  # processes that it has started
        self._count, self._modules = -1, {"__main__": self.main.__dict__}

    def modules(self) -> dict[str, dict[str, Any]]:
        """The namespaces of the user's modules, the script's first."""
        if len(sys.modules) == self._count:
            return self._modules
        found = {"__main__": self.main.__dict__}
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            # multiprocessing, which scikit-learn imports, has another name for the main module
            if file is not None and module is not self.main and file in self.loops.sources:
                found[name] = module.__dict__
        self._count, self._modules = len(sys.modules), found
        return found

    def scope(self, frame: FrameType) -> Scope:
        return Scope(frame, self.modules(), fleeting=frozenset(self.loops.targets))

    def run(self, listener: Any) -> None:
        """Run it to its end, or until the listener leaves by an exception. Raises whatever the program raises."""
        self.listener = listener
        self.install(listener)
        sandbox.quiet()
        sandbox.by_itself()
        watch_print(self.printed, self.loops.sources)
        endings.when_the_program_forks(self._has_forked, self._apart)
        sys.meta_path.insert(0, Importer(self.loops, self.root))
        sys.argv = [str(self.script), *self.args]
        sys.path[:0] = map(str, self.home.folders)
        self.main.__dict__.update(__file__=str(self.script), __builtins__=builtins, __name__="__main__")
        if self.home.package:
            self.main.__package__ = self.home.package
        if is_notebook(self.script):
            self.main.__dict__.update(display=_nothing, get_ipython=Shell)
        sys.modules["__main__"] = self.main
        code = self.loops.compile(text_of(self.script), str(self.script))
        exec(code, self.main.__dict__)  # noqa: S102 (to run the user's program is what the command is for)

    def _has_forked(self) -> None:
        self.forks += 1

    def _apart(self) -> None:
        """In a process that the program has started: nothing is looked at."""
        setattr(builtins, HEAD, lambda number: None)

    def install(self, listener: Any) -> None:
        """Send the hooks of the loops to a listener, its `enter`, `head` and `tail`, and values to its laboratory."""

        hears = listener.hears

        def head(number: int) -> None:
            if hears(number):
                listener.head(number, sys._getframe(1))

        def tail(number: int) -> bool:
            return hears(number) and listener.tail(number, sys._getframe(1))

        def leave(number: int) -> bool:
            again = hears(number) and listener.tail(number, sys._getframe(1))
            if not again:
                self.broken.add(number)
            return again

        def left(number: int) -> bool:
            if number in self.broken:
                self.broken.discard(number)
                return True
            return False

        values = self.loops.values

        def value(number: int, value: Any) -> Any:
            lab = listener.lab
            if lab is not None and lab.running and lab.watch is not None:
                lab.watch.value(values[number], value, sys._getframe(1))
            return value

        def order(number: int, values: Any) -> Any:
            lab = listener.lab
            return values if lab is None or not lab.running else lab.order(number, values)

        hooks: dict[str, Callable[..., Any]] = {HEAD: head, TAIL: tail, LEAVE: leave, LEFT: left, ENTER: listener.enter}

        def decide(number: int, comparison: str, left: Any, right: Any) -> Any:
            lab = listener.lab
            if lab is not None and lab.running and lab.watch is not None:
                lab.watch.margin(values[number], left, right, comparison, sys._getframe(1))
            return COMPARISONS[comparison](left, right)

        hooks |= {VALUE: value, ORDER: order, DECIDE: decide, CAUGHT: self.caught.note}
        for name, hook in hooks.items():
            setattr(builtins, name, hook)


def _nothing(*args: Any, **kwargs: Any) -> None:
    """What a notebook's `display` does here."""


def is_file_of(program: UserProgram, file: str) -> bool:
    return is_users(file, program.root)


def silence() -> None:
    """What the program prints goes nowhere: the report is what is read."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
