"""A training step that is called by hand: the same laboratory, without a script and its loops."""

from __future__ import annotations

import inspect
import sys
import time
from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path
from types import FunctionType
from typing import Any

from pellucid.doctor.process.child import ChildAnswer, Fork, fork, patience
from pellucid.doctor.process.instrument import Loops, ProgramLoop
from pellucid.doctor.process.lab import Lab
from pellucid.doctor.process.parameters import Parameters
from pellucid.doctor.process.paths import Group, Scope
from pellucid.doctor.process.widen import widen
from pellucid.doctor.report import Finding
from pellucid.doctor.sources import text_of


class Reached(MutableMapping[str, Any]):
    """What a step reaches, by name: the variables of its closure as they are now, and the objects that were named."""

    def __init__(self, step: Callable[[], Any], objects: dict[str, Any]) -> None:
        function = inspect.unwrap(getattr(step, "__func__", step))
        code, cells = getattr(function, "__code__", None), getattr(function, "__closure__", None) or ()
        names = code.co_freevars if code is not None else ()
        self.cells: dict[str, Any] = dict(zip(names, cells, strict=False))
        self.own = dict(objects)
        if getattr(step, "__self__", None) is not None:
            self.own["self"] = step.__self__  # type: ignore[attr-defined]

    def __getitem__(self, name: str) -> Any:
        return self.own[name] if name in self.own else self.cells[name].cell_contents

    def __setitem__(self, name: str, value: Any) -> None:
        if name in self.own:
            self.own[name] = value
        else:
            self.cells[name].cell_contents = value

    def __delitem__(self, name: str) -> None:
        del self.own[name]

    def __iter__(self) -> Iterator[str]:
        yield from self.own
        for name, cell in self.cells.items():
            try:
                _ = cell.cell_contents
            except ValueError:
                continue
            yield name

    def __len__(self) -> int:
        return len(list(iter(self)))


class StepProgram:
    """What a `Program` is to a script, for one function."""

    def __init__(self, step: Callable[[], Any], objects: dict[str, Any]) -> None:
        self.step = step
        self.reached = Reached(step, objects)
        self.loops = Loops()
        function = inspect.unwrap(getattr(step, "__func__", step))
        self.home: dict[str, dict[str, Any]] = {}
        names = [getattr(function, "__module__", None), *(type(value).__module__ for value in objects.values())]
        for name in names:
            module = sys.modules.get(name or "")
            file = getattr(module, "__file__", None)
            if module is None or name == "builtins" or (name or "").split(".")[0] in ("numpy", "scipy", "pellucid"):
                continue
            self.home[str(name)] = vars(module)
            if file is not None and Path(file).suffix == ".py" and Path(file).is_file():
                self.loops.sources[file] = text_of(Path(file))
        if isinstance(function, FunctionType):  # where it was defined is no module: a notebook, an exec
            self.home.setdefault(function.__module__ or "__main__", function.__globals__)
        code = getattr(function, "__code__", None)
        file = code.co_filename if code is not None else "?"
        line = code.co_firstlineno if code is not None else 0
        if file not in self.loops.sources:
            try:
                self.loops.sources[file] = "".join(inspect.findsource(function)[0])
            except (OSError, TypeError):
                self.loops.sources[file] = ""
        self.loops.loops[0] = ProgramLoop(0, file, line, line, getattr(function, "__qualname__", "step"), None)

    def modules(self) -> dict[str, dict[str, Any]]:
        return self.home


class StepSession:
    """The same for a rule or a probe as a `Session`: forks in which the step is called instead of a loop run on."""

    def __init__(self, program: StepProgram, deadline: float) -> None:
        self.program, self.deadline = program, deadline
        self.number = 0
        self.found = Parameters({}, [], {})
        self.known: dict[str, Group] = {}
        self.beside: list[Finding] = []
        self.suspected: Finding | None = None
        self.unfinished = self.blown_up = False
        self.gets_to_a_guess = 0
        self.inputs_unseen = False
        self.returned = False  # as in a session: the parameters are where the caller left them
        self.beside: list[Finding] = []

    @property
    def scope(self) -> Scope:
        return Scope(None, self.program.modules(), self.program.reached)

    def left(self) -> float:
        return self.deadline - time.monotonic()

    def start(self, work: Callable[[Lab], Any], groups: dict[str, Group], seconds: float) -> Fork:
        """Begin `work` in a laboratory: a fork that calls the step until the work is done."""
        end = fork()
        if not isinstance(end, ChildAnswer):
            return end
        try:
            modules = self.program.modules()
            lab = Lab(
                work,
                groups,
                self.program.loops.sources,
                modules,
                seconds * 0.9,
                end,
                self.known,
                patience(seconds, self.left()),
            )
            lab.pairs = self.program.loops.pairs
            scope = self.scope
            widen(scope, groups.values())
            lab.head(scope)
            while True:
                self.program.step()
                if not lab.tail(scope):
                    lab.head(scope)
        except BaseException as error:  # noqa: BLE001 (this process ends here, and the parent has to hear why)
            end.fail(error)

    def lab(self, work: Callable[[Lab], Any], groups: dict[str, Group], seconds: float) -> Any:
        """What `work` found. Raises Lost."""
        return self.start(work, groups, seconds).result(patience(seconds, self.left()))
