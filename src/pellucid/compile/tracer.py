"""The tracer: a second interpreter behind the door, which records what it sees and replays it on new inputs.

`trace(step, x, y)` runs `step(x, y)` once, for real, and notes each op application: forward, backward, optimiser.
Values are known by their arrays: one that a recorded op made is a slot, one that was given is an input, every other
(a parameter, a buffer, a constant) is held by its Tensor and read anew at each replay. Nothing asks what kind of
code applied the op, so whatever goes through the door can be replayed, bit for bit.

What cannot be in the list are values that Python looked at (`.item()`, `if loss > 1`): reading one is an error while
tracing, since its first value would be frozen into every replay. Numbers that Python computed (a learning rate) are
constants of the program: trace anew when they change.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from pellucid import backend
from pellucid.backend import Array
from pellucid.core import Declaration, Interpreter, Tensor, as_arguments, below, interpreter, promote, state, wrap
from pellucid.core.declaration import Forward
from pellucid.core.narrow import forward_of
from pellucid.core.tensor import counter_of
from pellucid.core.views import memory_of
from pellucid.declare import TABLE
from pellucid.errors import describe, with_line
from pellucid.reverse.engine import reached


class TraceError(RuntimeError):
    """Something that a recorded program cannot do."""


class Slot(int):
    """A value that an op of the program made, or an input; its index in the list of values."""

    def __repr__(self) -> str:
        return f"%{int(self)}"


class Instruction(NamedTuple):
    """One op application: arguments are slots, captured Tensors, numbers or None."""

    op: Declaration
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    outputs: tuple[Slot, ...]
    xp: Any
    forward: Forward  # the op's, or what stands for it where a dtype is bfloat16

    def __str__(self) -> str:
        left = ", ".join(map(repr, self.outputs))
        parts = [
            f"<{describe(argument)}>" if isinstance(argument, Tensor) else repr(argument) for argument in self.args
        ]
        parts += [f"{name}={value!r}" for name, value in self.kwargs.items()]
        return f"{left} = {self.op.name}({', '.join(parts)})"


class Seen(NamedTuple):
    """What an array was like, which may be gone: the values of a step are freed while it is recorded, as ever."""

    shape: tuple[int, ...]
    dtype: Any
    strides: tuple[int, ...]
    memory: int  # the same number for arrays that share memory
    held: Tensor | None  # what the function holds, if this is an array of it


class Tracer(Interpreter):
    """The interpreter."""

    def __init__(self, inputs: tuple[Tensor, ...], strict: bool = True) -> None:
        self.strict = strict  # whether a read is an error; else it is noted, and the function runs on
        self.refusal: str | None = None
        self.steps: list[Instruction] = []
        self.seen: list[Seen] = []  # by slot
        self.slots: dict[int, Slot] = {}  # by the id of an array, as long as it is there
        self._memories: dict[int, int] = {}  # by the id of what owns memory, likewise
        self._alive: dict[int, Any] = {}  # by id, a weak reference that tidies these two, or the object
        self._memory = itertools.count().__next__
        self.captured: dict[int, Tensor] = {}  # by the id of their arrays
        self._kept: list[Any] = []  # these arrays
        self.leaves: dict[int, Tensor] = {id(input): input for input in inputs}  # that may get a gradient
        for input in inputs:
            self.slot(input._array)
        self.inputs, self.given = len(inputs), inputs
        self.late: set[int] = set()  # slots of other inputs: gradients that are yet to come
        self._walk: Any = None
        self.walked: set[Any] = set()  # nodes that a backward within the trace went through

    def before_backward(self, roots: Sequence[Tensor]) -> None:
        self.walked |= reached(list(roots))

    def slot(self, array: Any) -> Slot:
        found = self.slots.get(id(array))
        if found is None:
            found = self.slots[id(array)] = Slot(len(self.seen))
            held = self.captured.get(id(array))
            self.seen.append(Seen(array.shape, array.dtype, array.strides, self.memory(array), held))
            self._watch(array)
        return found

    def memory(self, array: Any) -> int:
        """The number of the memory that an array lies in."""
        owner = memory_of(array)
        found = self._memories.get(id(owner))
        if found is None:
            found = self._memories[id(owner)] = self._memory()
            self._watch(owner)
        return found

    def _watch(self, thing: Any) -> None:
        """Know an object by its id until it is gone."""
        key, slots, memories = id(thing), self.slots, self._memories

        def gone(_: Any) -> None:
            slots.pop(key, None)
            memories.pop(key, None)

        try:
            self._alive[key] = weakref.ref(thing, gone)
        except TypeError:
            self._alive[key] = thing

    def apply(self, op: Declaration, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        walk: Any = state.walk
        if walk is not None and walk is not self._walk:  # `autograd.grad`, too
            self._walk = walk
            self.walked |= reached(walk.roots)
        args = as_arguments(op, args)
        if op.kind is not None and any(isinstance(argument, Tensor) for argument in args):
            promoted = promote(op, args)
            args = (args[0], *promoted[1:]) if op.mutates else promoted
        named = tuple(self.reference(argument) for argument in args)
        result = below(self, op, args, kwargs)
        outputs = result if isinstance(result, tuple) else (result,)
        xp = backend.of_array(outputs[0]._array).xp
        forward = forward_of(op, [getattr(argument, "_array", argument) for argument in args], kwargs)
        slots = tuple(self.slot(output._array) for output in outputs)
        self.steps.append(Instruction(op, named, kwargs, slots, xp, forward))
        return result

    def reference(self, argument: Any) -> Any:
        if not isinstance(argument, Tensor):
            return argument
        if argument.requires_grad and argument.is_leaf:
            self.leaves[id(argument)] = argument
        key = id(argument._array)
        made = self.made(argument._array)
        if made is not None:
            return made
        self._kept.append(argument._array)
        return self.captured.setdefault(key, argument)

    def made(self, array: Any) -> Slot | None:
        """The slot of an array that an op of the program made."""
        return None if id(array) in self.captured else self.slots.get(id(array))

    def overwrite(self, array: Array, kept: Array) -> None:
        """An in-place op keeps a copy of what it overwrites: a step of its own, just before that of the op."""
        known = self.made(array)
        if known is None:
            known = self.captured.get(id(array))
        if known is None:
            return  # within an op, where no tracer is
        xp = backend.of_array(kept).xp
        self.steps.append(Instruction(TABLE["clone"], (known,), {}, (self.slot(kept),), xp, TABLE["clone"].forward))

    def read(self, tensor: Tensor) -> None:
        """A value leaves for Python."""
        if self in state.interpreters and (id(tensor._array) in self.slots or not self.strict):
            what = with_line(
                "a value was read while tracing (.item(), .numpy(), if, print …): it would be frozen into every "
                "replay. Return the tensor from the traced function and read it outside"
            )
            if self.strict:
                raise TraceError(what)
            self.refusal = self.refusal or what


class Program:
    """A recorded computation: a flat list of steps. Calling it replays them on new inputs.

    `steps` are the op applications in order, `str(program)` is their listing. A replay has the effects of the
    recorded run: in-place changes of captured tensors (parameters, buffers, optimiser state) and the `grad` of leaves.
    """

    def __init__(self, tracer: Tracer, inputs: tuple[Tensor, ...], result: Any) -> None:
        for key, tensor in tracer.captured.items():
            if id(tensor._array) != key:
                raise TraceError(
                    f"the memory behind a tensor ({describe(tensor)}) was replaced while tracing (tensor.data = …), "
                    "which a replay does not do; write into it: tensor.data.copy_(…)"
                )
        self.steps = tracer.steps
        self.count = len(tracer.seen)
        self._inputs = [(input._array.shape, input._array.dtype) for input in inputs]
        self._result = _map(result, lambda value: tracer.reference(value))
        position = {id(input): index for index, input in enumerate(inputs)}
        self._gradients: list[tuple[Any, Slot]] = []  # (leaf, or which input; its gradient)
        for key, leaf in tracer.leaves.items():
            made = None if leaf._grad is None else tracer.made(leaf._grad._array)
            if made is not None:
                self._gradients.append((position.get(key, leaf), made))
        self._last_use = self._find_last_uses()

    def _find_last_uses(self) -> list[tuple[int, ...]]:
        """For each step the slots that nothing after it needs."""
        kept: set[int] = {int(slot) for _, slot in self._gradients}
        _map(self._result, lambda value: value, lambda slot: kept.add(int(slot)))
        frees: list[tuple[int, ...]] = []
        for step in reversed(self.steps):
            used = {int(name) for name in (*step.args, *step.outputs) if type(name) is Slot}
            frees.append(tuple(used - kept))
            kept |= used
        return frees[::-1]

    def __call__(self, *inputs: Tensor) -> Any:
        """Replay on `inputs`, which must have the shapes and dtypes of those that were traced."""
        for index, input in enumerate(inputs):
            _check_input(index, input)
        given = [(input._array.shape, input._array.dtype) for input in inputs]
        if given != self._inputs:
            raise TraceError(
                f"the program was traced for inputs {_listing(self._inputs)}, and got {_listing(given)}; trace anew "
                "for other shapes"
            )
        values: list[Any] = [None] * self.count
        values[: len(inputs)] = [input._array for input in inputs]
        for step, unneeded in zip(self.steps, self._last_use, strict=True):
            arrays = [
                values[argument]
                if type(argument) is Slot
                else argument._array
                if isinstance(argument, Tensor)
                else argument
                for argument in step.args
            ]
            try:
                out = state.run(step.forward, step.xp, *arrays, **step.kwargs)
            except Exception as failure:
                failure.add_note(f"in the replay of {step}")
                raise
            if type(out) is tuple:
                for slot, array in zip(step.outputs, out, strict=True):
                    values[slot] = step.xp.asarray(array)
            elif step.op.mutates:
                values[step.outputs[0]] = arrays[0]
                for position in step.op.mutates:
                    target = step.args[position]
                    if isinstance(target, Tensor):
                        counter_of(target)[0] += 1
            else:
                values[step.outputs[0]] = step.xp.asarray(out)
            for slot in unneeded:
                values[slot] = None
        for leaf, slot in self._gradients:
            (inputs[leaf] if isinstance(leaf, int) else leaf).grad = wrap(values[slot])
        return _map(self._result, lambda value: value, lambda slot: wrap(values[slot]))

    def __len__(self) -> int:
        return len(self.steps)

    def __str__(self) -> str:
        return "\n".join(map(str, self.steps))


def trace(function: Callable[..., Any], *inputs: Tensor) -> Program:
    """Run `function(*inputs)` once and record it as a `Program`.

    Run one step before tracing if the function's first run differs from later ones (an optimiser makes its state in
    its first step). Raises TraceError where a recorded value is read by Python.

    >>> import pellucid
    >>> program = trace(lambda x: (x * 2).sum(), pellucid.tensor([1.0, 2.0]))
    >>> print(program)
    %1 = mul(%0, 2)
    %2 = sum(%1)
    >>> program(pellucid.tensor([3.0, 4.0]))
    tensor(14.)
    """
    for index, input in enumerate(inputs):
        _check_input(index, input)
    tracer = Tracer(inputs)
    with interpreter(tracer):
        result = function(*inputs)
    return Program(tracer, inputs, result)


def _check_input(index: int, input: Any) -> None:
    if not isinstance(input, Tensor):
        raise TypeError(f"a recorded program takes tensors as inputs, argument {index} is {type(input).__name__}")


def _map(value: Any, tensor: Callable[[Any], Any], slot: Callable[[Any], Any] | None = None) -> Any:
    """The same nest of tuples, lists and dicts, with its tensors and slots replaced."""
    if isinstance(value, Slot):
        return slot(value) if slot else value
    if isinstance(value, Tensor):
        return tensor(value)
    if isinstance(value, dict):
        return {name: _map(entry, tensor, slot) for name, entry in value.items()}
    if isinstance(value, tuple | list):
        items = [_map(entry, tensor, slot) for entry in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    return value


def _listing(shapes: list[Any]) -> str:
    return "(" + ", ".join(f"{np.dtype(kind)} {tuple(shape)}" for shape, kind in shapes) + ")"


__all__ = ["Program", "Instruction", "TraceError", "trace"]
