"""The parameters of a program: those that networks list, optimisers know, or a backward reaches."""

from __future__ import annotations

import inspect
import linecache
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from pellucid.core import Tensor
from pellucid.errors import user_frame
from pellucid.nn import Module

from .arrays import array_of
from .places import place
from .record import ParameterRecord, Place, ProgramRecord
from .ungraded import line_without_grad

EARLY = 3  # updates of an optimiser, of which one has a gradient: the first of L-BFGS begins without
ASKED = re.compile(r"\s*(for .*:\s*)?\w+\.requires_grad_\([^()]*\)\s*$")  # a gradient, for a tensor that is there
MOST_HELD = 1000  # things in a list, in which a layer is looked for
WIDEST = 512  # of a square weight whose largest singular value is computed


def assigned(name: str) -> Place | None:
    """The line that gives a variable of this name what it holds first, in the file that is running."""
    frame = user_frame()
    if frame is None or not name.isidentifier():
        return None
    given = re.compile(rf"\s*(?:\w+\s*,\s*)*{name}\s*(?:,\s*\w+\s*)*=(?!=)")
    lines = linecache.getlines(frame.f_code.co_filename)
    return next(((frame.f_code.co_filename, i) for i, line in enumerate(lines, 1) if given.match(line)), None)


def given_by(kind: type[Any], name: str) -> Place | None:
    """The line of a class that gives its objects an attribute first."""
    try:
        file, (lines, first) = inspect.getsourcefile(kind), inspect.getsourcelines(kind)
    except (TypeError, OSError):
        return None
    given = re.compile(rf"\s*self\.{name}\s*(?::[^=]+)?=(?!=)")
    return next(((file, first + i) for i, line in enumerate(lines) if file and given.match(line)), None)


def _keeps_others(name: str, value: Any, listed: set[int]) -> bool:
    """Whether an attribute is a plain list, or dict, of layers that a network does not know of."""
    kept = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return not name.startswith("_") and any(isinstance(k, Module) and id(k) not in listed for k in kept)


class ParameterNotes:
    """Enters parameters, and the layers that hold them, in a record."""

    def __init__(self, record: ProgramRecord) -> None:
        self.record = record
        self.made: dict[int, tuple[Any, Place | None]] = {}  # modules and where they were made
        self.written: dict[int, tuple[Any, Place]] = {}  # parameters that the program makes by itself, and where
        self.parameters: dict[int, Any] = {}
        self.names: dict[int, str] = {}
        self.first: dict[int, np.ndarray] = {}
        self.known: set[int] = set()  # to an optimiser
        self.updates: Counter[int] = Counter()  # by the id of an optimiser
        self.loaded: set[int] = set()
        self.frozen: set[int] | None = None  # as they were at the last update, where a phase ended later than that
        self._alive: list[Any] = []  # so that an id stays that of one object

    def __contains__(self, tensor: object) -> bool:
        return id(tensor) in self.parameters

    def all(self) -> list[Any]:
        return list(self.parameters.values())

    def was_made(self, module: Any) -> None:
        self.made[id(module)] = (module, place())

    def was_written(self, parameter: Any, at: Place) -> None:
        self.written[id(parameter)] = (parameter, at)

    def were_loaded(self, module: Any) -> None:
        self.loaded |= {id(parameter) for parameter in module.parameters()}

    def holds(self, tensor: Any) -> bool:
        """Whether a tensor of two or more axes has the numbers of a layer, as `weight.data` has."""
        if tensor.dim() < 2:
            return False
        numbers = array_of(tensor)
        own = (p for module, _ in self.made.values() for p in vars(module).get("_parameters", {}).values())
        return any(p is not None and np.may_share_memory(array_of(p), numbers) for p in own)

    def has(self, tensor: Any) -> bool:
        """Whether a tensor without a gradient has the numbers of a parameter, as `p.data` has."""
        if tensor.requires_grad:
            return False
        numbers = array_of(tensor)
        same = (array_of(p) for p in self.all() if p.shape == tensor.shape)
        return any(np.may_share_memory(numbers, own) for own in same)

    def knows(self, optimizer: Any) -> bool:
        """Whether another optimiser was given all the parameters of this one."""
        return all(id(p) in self.known for group in optimizer.param_groups for p in group["params"])

    def are_known(self, optimizer: Any) -> None:
        """An optimiser was made."""
        for group in optimizer.param_groups:
            self.known |= {id(parameter) for parameter in group["params"]}
            self._alive += group["params"]

    def line_of(self, module: Any) -> Place | None:
        return self.made.get(id(module), (None, None))[1]

    def note_module(self, module: Any) -> None:
        """What a network has that is new."""
        new = [(name, p) for name, p in module.named_parameters() if id(p) not in self.parameters]
        if not new:
            return
        owners = {id(p): m for m in module.modules() for p in m._parameters.values() if p is not None}
        for name, parameter in new:
            self.note(parameter, name, self.line_of(owners.get(id(parameter)))).listed = True
        listed = {id(m) for m in module.modules()}
        for m in module.modules():
            for name, value in vars(m).items():
                if _keeps_others(name, value, listed) and (at := given_by(type(m), name)) is not None:
                    self.record.lines.setdefault("unlisted", at)
                if isinstance(value, Tensor) and value.is_leaf and value.requires_grad:
                    self.note(value, name, given_by(type(m), name))  # a plain tensor, which no network lists
        record = self.record
        record.layers += [type(m).__name__ for m in module.modules()]
        leaves = [m for m in module.modules() if not any(True for _ in m.children())]
        if leaves and "Norm" in type(leaves[0]).__name__:
            record.norm_first = True
        drops = [float(m.p) for m in module.modules() if type(m).__name__.startswith("Dropout")]
        record.dropout = max([record.dropout, *drops])
        for m in module.modules():
            for kind in ("Dropout", "BatchNorm", "Softmax"):
                at = self.line_of(m)
                if type(m).__name__.startswith(kind) and at is not None:
                    record.lines.setdefault(kind, at)

    def note_ungraded(self, args: Any) -> None:
        """An op within a network that is called to train, which is computed without gradients."""
        for argument in args:
            if isinstance(argument, Tensor) and argument.requires_grad and argument in self:
                self.note(argument).ungraded = True
                if "no grad" not in self.record.lines and (at := line_without_grad()) is not None:
                    self.record.lines["no grad"] = at

    def note_dropout(self, given: dict[str, Any]) -> None:
        """A dropout that is called, as a layer or as a function."""
        self.record.dropout = max(self.record.dropout, float(given.get("p") or 0.0))
        if "Dropout" not in self.record.lines and (at := place()) is not None:
            self.record.lines["Dropout"] = at

    def note(self, parameter: Any, name: str = "", at: Place | None = None) -> ParameterRecord:
        """The record of a parameter, made where it is new."""
        if id(parameter) not in self.parameters:
            at = self.written.get(id(parameter), (None, None))[1] or at or self._home(parameter)
            self.parameters[id(parameter)] = parameter
            given, n = name or self._called(parameter) or f"tensor {tuple(parameter.shape)}", 2
            name = given
            while name in self.record.parameters:
                name, n = f"{given} ({n})", n + 1
            self.names[id(parameter)] = name
            if at is not None and ASKED.match(linecache.getline(*at)):  # what was made before
                at = assigned(given.partition("[")[0]) or at
            at = at or assigned(name)
            values = array_of(parameter)
            self.first[id(parameter)] = values.copy()
            note = ParameterRecord(name, tuple(values.shape), at, frozen=not parameter.requires_grad)
            if values.size:
                note.std, note.mean = float(values.std()), float(values.mean())
            if values.ndim >= 2:
                note.fan_in = int(np.prod(values.shape[1:]))
                if values.ndim == 2 and 1 < values.shape[0] == values.shape[1] <= WIDEST and np.isfinite(values).all():
                    note.gain = float(np.linalg.norm(values.astype(float), 2))
                note.alike = values.shape[0] > 1 and bool((values == values[:1]).all())
            self.record.parameters[name] = note
        return self.record.parameters[self.names[id(parameter)]]

    def _called(self, parameter: Any) -> str:
        """What the program calls a parameter that no network lists, such as `hidden[0].weight`; "" where that is not
        found."""
        modules = [module for module, _ in self.made.values()]
        held = [(m, key) for m in modules for key, own in vars(m).get("_parameters", {}).items() if own is parameter]
        wanted = [(parameter, ""), *((module, f".{key}") for module, key in held)]
        frame = user_frame()
        scopes = [vars(module) for module in modules] + ([frame.f_locals, frame.f_globals] if frame is not None else [])
        for scope in scopes:
            for name, value in list(scope.items()):
                for item, rest in wanted:
                    if value is item:
                        return f"{name}{rest}"
                    if isinstance(value, list | tuple | dict) and len(value) <= MOST_HELD:
                        pairs = value.items() if isinstance(value, dict) else enumerate(value)
                        for key, part in pairs:
                            if part is item and not name.startswith("_"):
                                return f"{name}[{key!r}]{rest}"
        return ""

    def _home(self, parameter: Any) -> Place | None:
        """Where the layer was made that holds a parameter, also one that no network lists."""
        for module, at in self.made.values():
            if any(own is parameter for own in vars(module).get("_parameters", {}).values()):
                return at
        return None

    def note_gradients(self, optimizer: Any) -> None:
        """Before an update: how large its first gradients are, and whether the units of a layer all have the same."""
        self.updates[id(optimizer)] += 1
        first = self.updates[id(optimizer)] <= EARLY
        late = len(self.record.steps) == 20
        if not first and not late:
            return
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                note = self.note(parameter)
                note.known = True
                if parameter.grad is None:
                    continue
                gradient = array_of(parameter.grad)
                if first and not note.gradient:
                    note.gradient = float(np.linalg.norm(gradient))
                if late and gradient.ndim >= 2 and gradient.shape[0] > 1:
                    scale = float(np.abs(gradient).max())
                    note.same_gradients = scale > 0 and bool(np.abs(gradient - gradient[:1]).max() < 1e-5 * scale)

    @contextmanager
    def as_at_first(self) -> Iterator[None]:
        """For the length of a block, each parameter has the numbers that it began with."""
        kept = [(p, array_of(p).copy()) for i, p in self.parameters.items() if self.first[i].shape == p.shape]
        try:
            for parameter, _ in kept:
                parameter._array[...] = self.first[id(parameter)]  # no change that backward would notice
            yield
        finally:
            for parameter, values in kept:
                parameter._array[...] = values

    def finish(self, roots: list[Any], optimizers: list[Any]) -> None:
        """What became of them, once nothing more is to come."""
        for root in roots:
            self.note_module(root)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                for parameter in group["params"]:
                    self.note(parameter)
        for identity, parameter in self.parameters.items():
            note = self.note(parameter)
            note.known = identity in self.known or note.known
            note.frozen = not parameter.requires_grad if self.frozen is None else identity in self.frozen
            note.loaded = identity in self.loaded
            first, now = self.first[identity], array_of(parameter)
            size = float(np.linalg.norm(first))
            note.moved = float(np.linalg.norm(now - first)) / (size or 1.0) if now.shape == first.shape else 0.0
