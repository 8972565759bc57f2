"""What a program does with its networks to evaluate them, mostly under `no_grad()`: in which mode, on which rows, and
with what result."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.core import Interpreter, Tensor, below, no_grad, state
from pellucid.errors import user_frame
from pellucid.random import get_rng_state, set_rng_state

from .arrays import array_of, given_to
from .batches import WIDTH
from .beside import answers_beside, classes_said
from .criterion import WEIGHTED, LossCall, tensors
from .matching import hits, is_graded, matched
from .places import place
from .record import HeldOutRecord, ModeRecord, Place, ProgramRecord
from .rows import ids, numbers

NOISY = ("Dropout", "BatchNorm")
SAMPLE, NARROW = 300, 1024  # rows of the first evaluation of each line that are kept, and numbers of one
KEPT = 3000  # rows of the last evaluation that are kept
MOST = 2000  # evaluations that are noted
CLASSES = 20  # that labels may have, where only their use says that they are labels
COMPARING = ("eq", "ne")


class EvaluationNotes:
    """Enters evaluations in a record."""

    def __init__(self, record: ProgramRecord, apart: Callable[[Callable[[], Any]], Any]) -> None:
        self.record, self.apart = record, apart
        self.loader: Any = None  # that gave a batch last
        self.batch: Any = None
        self.made: dict[int, tuple[Place | None, frozenset[str]]] = {}  # by the id of a loader: see `was_made`
        self.woken: tuple[Place | None, int] = (None, -1)  # where train() was called last, and at which step
        self._modes: set[tuple[int, Place | None]] = set()
        self._drawn = False  # whether the program wants what it says at random
        self._noisy: dict[int, int] = {}  # by the id of a record of a mode: its step
        self._mode: ModeRecord | None = None  # that of the call which is about to be noted, or is open
        self._still: set[int] = set()  # networks that were called in eval()
        self._last_input: tuple[Any, int] = (None, -1)  # of an evaluation, and at which step
        self._asking: ModeRecord | None = None  # that of the open evaluation
        self._open: HeldOutRecord | None = None  # of which what is compared with its outputs is still to come
        self._output: Any = None
        self._said: np.ndarray | None = None  # the classes of the last output
        self._beside: np.ndarray | None = None  # labels that lie beside its rows
        self._derived: set[int] = set()  # what was computed from it
        self._largest: set[int] = set()  # results of argmax among these
        self._alive: list[Any] = []
        self._kept = 0
        self._sampled: dict[Place | None, tuple[int, int]] = {}  # by line: the step of its first evaluation, and rows

    def was_made(self, loader: Any, at: Place | None) -> None:
        """A loader is made: where, in what function, and what variables and attributes there hold its data set."""
        frame, found = user_frame(), set[str]()
        if frame is not None:
            scopes = [frame.f_locals, *(vars(v) for v in list(frame.f_locals.values()) if hasattr(v, "__dict__"))]
            found = {name for scope in scopes for name, value in list(scope.items()) if value is loader.dataset}
            found.add(frame.f_code.co_name)
        self.made[id(loader)] = at, frozenset(found)

    def note_mode(self, call: Callable[..., Any], module: Any, args: Any, kwargs: Any) -> None:
        """Where a network is evaluated in train(), what difference that makes."""
        given = next(iter(given_to(args, kwargs)), None)
        if given is None:
            return
        before, step = self._last_input
        if given is before and step == len(self.record.steps):
            self.record.evaluated.clear()  # the same once more, with no step in between: it is to be drawn at random
            self._drawn = True
        self._last_input = (given, len(self.record.steps))
        if not module.training or self._drawn or (id(module), place()) in self._modes:
            return
        layers = [type(m).__name__ for m in module.modules() if type(m).__name__.startswith(NOISY) and m.training]
        if not layers and not self.record.dropout:
            return
        self._modes.add((id(module), place()))
        at = self.woken[0] if self.woken[1] == len(self.record.steps) else place()
        names = sorted(set(layers)) or ["dropout()"]
        differs = self.apart(lambda: _difference(call, module, args, kwargs))
        if differs is not None:
            self.record.evaluated.append(ModeRecord(at, names, differs))
            self._mode = self.record.evaluated[-1]
            self._noisy[id(self.record.evaluated[-1])] = len(self.record.steps)

    def called(self, call: Callable[..., Any], module: Any, args: Any, kwargs: Any) -> Any:
        """What a network gives in an evaluation. Of the first in eval(): whether dropout is at work in it."""
        if any(m.training for m in module.modules()) or id(module) in self._still:
            return call(module, *args, **kwargs)
        self._still.add(id(module))
        before, watching = state.interpreters, _Dropping()
        state.interpreters = (*before, watching)
        try:
            result = call(module, *args, **kwargs)
        finally:
            state.interpreters = before
        if watching.at is not None:
            differs = self.apart(lambda: _from_call_to_call(call, module, args, kwargs, result))
            if differs is not None:
                self.record.evaluated.append(ModeRecord(watching.at, ["dropout()"], differs, called=True))
        return result

    def note(self, args: tuple[Any, ...], output: Any) -> None:
        """A network was called on rows: see `given_to`."""
        x = args[0] if args else None
        record = self.record
        if self.is_of(x) and isinstance(output, Tensor):
            self._goes_through(output)
            return
        self._close()
        if not isinstance(x, Tensor) or not isinstance(output, Tensor) or x.dim() == 0 or output.dim() == 0:
            return
        if len(x) != len(output) or not len(x) or len(record.held_out) >= MOST:
            return
        flat = array_of(x).reshape(len(x), -1)
        noted = HeldOutRecord(len(record.steps), place(), numbers(args), self._names(x), ids=ids(args))
        noted.answers, self._said = answers_beside(x, output, self._said), classes_said(output)
        if self._gave(x):
            noted.source = self.made.get(id(self.loader), (None, None))[0]
        if record.held_out and record.held_out[-1].step != noted.step:
            for earlier in record.held_out:
                earlier.inputs = earlier.outputs = earlier.target = earlier.answers = None
            self._kept = 0
        if self._kept < KEPT and flat.shape[1] <= WIDTH:
            self._kept += len(flat)
            noted.inputs, noted.outputs = array_of(x).copy(), array_of(output).copy()
        first, rows = self._sampled.setdefault(noted.place, (noted.step, 0))
        if first == noted.step and rows < SAMPLE and flat.shape[1] <= NARROW and x.is_floating_point():
            self._sampled[noted.place] = first, rows + len(flat)
            noted.sample = array_of(x)[:SAMPLE].copy()
        record.held_out.append(noted)
        self._open, self._output, self._beside = noted, output, self._labels_of(x, noted.names)
        noted.met = self._beside is not None
        self._asking, self._mode = self._mode, None
        self._derived, self._largest, self._alive = {id(output)}, set(), []

    def _goes_through(self, output: Any) -> None:
        """What one network gave is given to another, as by an encoder to a head: the same evaluation goes on."""
        noted, self._output = self._open, output
        if noted is not None and noted.outputs is not None and output.dim() and len(output) == len(noted.rows):
            noted.outputs = array_of(output).copy()
        self._asking, self._mode = self._mode or self._asking, None
        self._derived.add(id(output))
        self._alive.append(output)

    def _close(self) -> None:
        """The next evaluation begins. Where the program compared nothing that could be followed, as where answers are
        made arrays first, what was given is compared with the labels beside the rows."""
        noted, labels = self._open, self._beside
        if noted is not None and labels is not None and noted.accuracy is None and noted.loss is None:
            right = hits(array_of(self._output), labels)
            if right is not None and self.record.classes:
                noted.accuracy = float(right.mean())
                if noted.inputs is not None and noted.target is None:
                    noted.target = labels.copy()
        if noted is not None and self._asking is not None:
            self._asking.looked_at = not (noted.met or is_graded(noted))
        self._asking = None
        self._open, self._output, self._beside = None, None, None

    def _labels_of(self, x: Any, names: frozenset[str]) -> np.ndarray | None:
        """One label for each row: what came with them from a loader, or has their name but for one letter, `y_test`."""
        parts = _parts(self.batch)
        if any(part is x for part in parts):
            found = [part for part in parts if part is not x]
        else:
            frame, found = user_frame(), list[Any]()
            others = [re.sub(r"(?<![A-Za-z])x|x(?![A-Za-z])|X", _letter, name) for name in names]
            if frame is not None:
                scopes = (frame.f_locals, frame.f_globals)
                found = [s[other] for s in scopes for other in others if other not in names and other in s]
        tables = [array_of(part) if isinstance(part, Tensor) else part for part in found]
        fitting = [t for t in tables if isinstance(t, np.ndarray) and t.size == len(x) and t.dtype.kind in "iufb"]
        return fitting[0].ravel() if fitting else None

    def _names(self, x: Any) -> frozenset[str]:
        """What variables of the program's hold the rows, or the loader that gave them."""
        found = set(self.made.get(id(self.loader), (None, ()))[1]) if self._gave(x) else set[str]()
        frame = user_frame()
        for _ in range(4):
            if frame is None:
                break
            for scope in (frame.f_locals, frame.f_globals):
                for name, value in list(scope.items()):
                    if value is x or (value is self.loader and value is not None):
                        found.add(name)
            frame = frame.f_back
        return frozenset(found)

    def _gave(self, x: Any) -> bool:
        """Whether rows come from a loader as they are."""
        return any(part is x for part in _parts(self.batch))

    def is_of(self, tensor: Any) -> bool:
        """Whether a tensor was computed from what the network gave in an evaluation."""
        return self._open is not None and isinstance(tensor, Tensor) and id(tensor) in self._derived

    def with_gradients(self, name: str, args: Any, result: Any, followed: bool) -> None:
        """An op of a pass: one that goes on from an evaluation whose block has ended, or makes a target of it."""
        if any(t.requires_grad for t in tensors([result])):
            if name not in WEIGHTED:
                self.trains_on(args)
            followed = followed and self.is_of(args[0])
        if followed:
            self.op(name, args, result)

    def trains_on(self, targets: Any) -> None:
        """Where what a network said is trained on, as labels that it guesses, that was no evaluation."""
        held, step = self.record.held_out, len(self.record.steps)
        if not held or held[-1] is not self._open or held[-1].step != step:
            return
        if any(id(a) in self._derived for a in tensors(targets)):
            held.pop()
            self.record.evaluated = [m for m in self.record.evaluated if self._noisy.get(id(m)) != step]
            self._open, self._derived = None, set()

    def goes_on(self, result: Any, source: Any) -> None:
        """A result is another tensor with the numbers of its source, as of `output.data`."""
        if self.is_of(source):
            self._derived.add(id(result))
            self._alive.append(result)

    def op(self, name: str, args: Any, result: Any) -> None:
        """An op under no_grad(), of which the one that compares outputs with labels is looked for."""
        noted = self._open
        if noted is None:
            return
        if not any(id(a) in self._derived for a in args if isinstance(a, Tensor)):
            if name in COMPARING and noted.target is None and noted.inputs is not None:
                self._labels(noted, args)
            return
        if name == "round":
            self.record.rounded = True
        if name == "argmax":
            self._largest.add(id(result))
        if name in ("max_along", "topk"):
            self._largest.add(id(result[1]))
        if name in COMPARING and len(args) == 2 and noted.accuracy is None:
            other = next((a for a in args if isinstance(a, Tensor) and id(a) not in self._derived), None)
            rows = len(noted.rows)
            single = other is not None and other.numel() == rows == 1  # a label of its own, `y[i]`
            if other is not None and (single or (other.dim() and len(other) == rows)) and isinstance(result, Tensor):
                equal = float(array_of(result).mean())
                noted.accuracy = equal if name == "eq" else 1 - equal
                if any(id(a) in self._largest for a in args):
                    self.record.chosen |= frozenset(np.unique(array_of(other).astype(float)).tolist())
                if noted.inputs is not None and noted.target is None and other.numel() == rows:
                    noted.target = array_of(other).ravel().copy()
            return
        others = [a for a in args if isinstance(a, Tensor) and id(a) not in self._derived]
        noted.met |= any(a.dim() and len(a) == len(noted.rows) for a in others)
        for value in result if isinstance(result, tuple) else (result,):
            self._derived.add(id(value))
            self._alive.append(value)

    def _labels(self, noted: HeldOutRecord, args: Any) -> None:
        """Labels of the rows that are compared with a number, as those of a class are counted: `p[y == 1]`."""
        one = args[0] if len(args) == 2 and isinstance(args[1], int | float) else None
        if isinstance(one, Tensor) and one.dim() == 1 and len(one) == len(noted.rows):
            labels = array_of(one)
            if len(np.unique(labels)) <= CLASSES and (labels == np.round(labels)).all():
                noted.target = labels.copy()

    def loss(self, name: str, args: Any, kwargs: Any, result: Any) -> None:
        """A loss under no_grad()."""
        noted = self._open
        call = LossCall.of(name, args, kwargs, result, None) if noted is not None else None
        if noted is None or call is None or id(call.prediction) not in self._derived:
            return
        noted.loss = call.value if noted.loss is None else noted.loss
        if noted.accuracy is None:
            noted.accuracy = call.accuracy()
        target = call.target_array()
        if noted.inputs is not None and target is not None and len(target) == len(noted.rows):
            noted.target = target.copy()

    def finish(self, networks: list[Any]) -> None:
        """What is asked of the last evaluation, once nothing more is to come."""
        self._close()
        if len(networks) == 1:
            self.record.matched = self.apart(lambda: matched(networks[0], self.record))


def _letter(found: re.Match[str]) -> str:
    return "Y" if found[0] == "X" and found.string.isupper() else "y"


def _parts(batch: Any) -> list[Any]:
    """The tensors of a batch, as a loader gives it."""
    return (
        list(batch) if isinstance(batch, list | tuple) else list(batch.values()) if isinstance(batch, dict) else [batch]
    )


class _Dropping(Interpreter):
    """Where dropout is at work."""

    at: Place | None = None

    def apply(self, op: Any, args: Any, kwargs: Any) -> Any:
        if op.name == "dropout_mask" and kwargs.get("p"):
            self.at = self.at or place()
        return below(self, op, args, kwargs)


def _from_call_to_call(call: Callable[..., Any], module: Any, args: Any, kwargs: Any, was: Any) -> float | None:
    """By how much outputs differ when a network is called again, as a share of their spread."""
    kept = get_rng_state()
    try:
        with no_grad():
            again = call(module, *args, **kwargs)
    finally:
        set_rng_state(kept)
    if not isinstance(was, Tensor) or not isinstance(again, Tensor):
        return None
    a, b = array_of(was).astype(float), array_of(again).astype(float)
    return float(np.abs(a - b).mean()) / (float(np.abs(b - b.mean()).mean()) or 1.0)


def _difference(call: Callable[..., Any], module: Any, args: Any, kwargs: Any) -> float | None:
    """By how much, as a share of their spread, the outputs differ between the modes; None where it cannot be told."""
    noisy, still = _in_both_modes(call, module, args, kwargs)
    if not isinstance(noisy, Tensor) or not isinstance(still, Tensor):
        return None
    a, b = array_of(noisy).astype(float), array_of(still).astype(float)
    spread = float(np.abs(b - b.mean()).mean()) or 1.0
    return float(np.abs(a - b).mean()) / spread


def _in_both_modes(call: Callable[..., Any], module: Any, args: Any, kwargs: Any) -> tuple[Any, Any]:
    """What a network gives in train() and in eval(); modes, buffers and random numbers are put back."""
    with no_grad():
        kept = get_rng_state()
        modes = [(m, m.training) for m in module.modules()]
        buffers = [(b, array_of(b).copy()) for b in module.buffers()]
        try:
            noisy = call(module, *args, **kwargs)
            for m, _ in modes:
                m.training = False
            return noisy, call(module, *args, **kwargs)
        finally:
            for m, training in modes:
                m.training = training
            for buffer, values in buffers:
                buffer._array[...] = values  # no change that backward would notice
            set_rng_state(kept)
