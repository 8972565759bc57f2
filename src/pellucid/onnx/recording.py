"""A run of a model, op by op: what the door sees while the model's forward runs once.

Values are known by their arrays, as in `compile.tracer`: an input, a parameter or buffer of the model (by name), what
an op made, or a constant that Python made on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from ..core import Declaration, Interpreter, Tensor, as_arguments, below, interpreter, no_grad, promote
from ..errors import describe, user_line, warn
from ..nn import Module
from ..nn.modules.hooks import register_module_forward_hook, register_module_forward_pre_hook
from .errors import OnnxExporterError


class Ref(int):
    """The number of a value of a recording."""


class Value:
    """A tensor of the run. `source` is "input", "weight" (of the model), "constant" or "made" (by an op)."""

    def __init__(self, source: str, name: str, array: Any) -> None:
        self.source, self.name, self.array = source, name, array

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.array.shape)


class Step(NamedTuple):
    """One op: its arguments are `Ref`s, numbers and None."""

    op: Declaration
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    outputs: tuple[Ref, ...]
    layer: str  # the path of the module that applied it
    kind: str  # the class of that module
    line: str  # the user's line

    def where(self) -> str:
        """`the layer 'encoder.0' (LSTM)`, and the line."""
        layer = f"the layer {self.layer!r} ({self.kind})" if self.layer else f"the model ({self.kind})"
        return f"{layer}; {self.line}" if self.line else layer


class Recorder(Interpreter):
    """The interpreter that records."""

    def __init__(self, model: Module, inputs: list[tuple[str, Tensor]]) -> None:
        self.model = model
        self.values: list[Value] = []
        self._of: dict[int, Ref] = {}  # id of an array -> its value
        self.steps: list[Step] = []
        self.inputs = [self._new("input", name, tensor._array) for name, tensor in inputs]
        self.weights = {id(tensor._array): name for name, tensor in tensors_of(model)}
        self.derived = set(self.inputs)  # values that depend on an input
        self.stale: dict[int, str] = {}  # values whose memory was changed through another tensor -> by what
        self.reads: list[str] = []
        self.stack: list[Module] = []
        self.paths = {id(module): path for path, module in model.named_modules()}

    def _new(self, source: str, name: str, array: Any) -> Ref:
        self._of[id(array)] = ref = Ref(len(self.values))
        self.values.append(Value(source, name, array))  # keeps the array, so that an id means one array
        return ref

    def ref(self, tensor: Tensor) -> Ref:
        """The value of a tensor; a new one for what no op made."""
        array = tensor._array
        found = self._of.get(id(array))
        if found is None:
            name = self.weights.get(id(array), "")
            return self._new("weight" if name else "constant", name, array)
        if found in self.stale:
            raise OnnxExporterError(
                f"the tensor {describe(tensor)} was changed through another tensor that shares its memory, by "
                f"{self.stale[found]}: ONNX has no shared memory. Write it without the change in place "
                "(where, cat, index_put)"
            )
        return found

    def apply(self, op: Declaration, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        args = as_arguments(op, args)
        if op.kind is not None and any(isinstance(argument, Tensor) for argument in args):
            promoted = promote(op, args)
            args = (args[0], *promoted[1:]) if op.mutates else promoted
        named = tuple(self.ref(argument) if isinstance(argument, Tensor) else argument for argument in args)
        result = below(self, op, args, kwargs)
        module = self.stack[-1] if self.stack else self.model
        path, line = self.paths.get(id(module), ""), user_line() or ""
        outputs: list[Ref] = []
        for tensor in result if isinstance(result, tuple) else (result,):
            outputs.append(self._new("made", "", tensor._array))
        if op.mutates:
            self._changed(op, args[0], outputs[0], line)
        if any(argument in self.derived for argument in named if isinstance(argument, Ref)):
            self.derived.update(outputs)
        self.steps.append(Step(op, named, kwargs, tuple(outputs), path, type(module).__name__, line))
        return result

    def _changed(self, op: Declaration, changed: Tensor, new: Ref, line: str) -> None:
        """What shares memory with a tensor that was changed in place holds other values than the recording knows."""
        import numpy as np

        array = changed._array
        if id(array) in self.weights:
            raise OnnxExporterError(
                f"forward changes {self.weights[id(array)]!r} of the model in place, by {op.name} ({line}): an ONNX "
                "file has no state. Leave that out (of an embedding, max_norm), or hand that state in and out"
            )
        for place, value in enumerate(self.values):
            if value.array is not array and place != new and np.may_share_memory(value.array, array):
                self.stale[place] = f"{op.name} ({line})" if line else op.name

    def read(self, tensor: Tensor) -> None:
        """A value leaves for Python; what follows from it there is the same for all inputs in the file."""
        if self._of.get(id(tensor._array)) in self.derived:
            module = self.stack[-1] if self.stack else self.model
            where = f"{type(module).__name__}, {user_line() or 'at no line of yours'}"
            if where not in self.reads:
                self.reads.append(where)

    # --- which module is running --------------------------------------------------------------------------------------

    def entered(self, module: Module, args: Any) -> None:
        self.stack.append(module)

    def left(self, module: Module, args: Any, output: Any) -> None:
        if self.stack:
            self.stack.pop()


class Recording(NamedTuple):
    """What one run showed."""

    values: list[Value]
    steps: list[Step]
    inputs: list[Ref]
    outputs: list[tuple[str, Ref]]
    reads: list[str]


def record(model: Module, call: Callable[..., Any], args: tuple[Any, ...], names: list[str]) -> Recording:
    """Run `call(*args)`, which calls the model, once, without gradients, and record the ops.

    `names` are those of the tensors in `args`.
    """
    flat = [tensor for _, tensor in leaves(args)]
    recorder = Recorder(model, list(zip(names, flat, strict=True)))
    handles = [register_module_forward_pre_hook(recorder.entered), register_module_forward_hook(recorder.left)]
    try:
        with no_grad(), interpreter(recorder):
            result = call(*args)
    finally:
        for handle in handles:
            handle.remove()
    outputs = [(path, recorder.ref(tensor)) for path, tensor in leaves(result)]
    if not outputs:
        raise OnnxExporterError(f"the model returned {type(result).__name__}, in which there is no tensor")
    return Recording(recorder.values, recorder.steps, recorder.inputs, outputs, recorder.reads)


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Tensor]]:
    """The tensors in a nest of tuples, lists and dicts, each with its path: `("1_0", tensor)`."""
    if isinstance(value, Tensor):
        yield path, value
    elif isinstance(value, dict):
        for key, entry in value.items():
            yield from leaves(entry, f"{path}_{key}" if path else str(key))
    elif isinstance(value, tuple | list):
        for key, entry in enumerate(value):
            yield from leaves(entry, f"{path}_{key}" if path else str(key))


def tensors_of(model: Module) -> Iterator[tuple[str, Tensor]]:
    """Parameters and buffers by name."""
    yield from model.named_parameters()
    yield from model.named_buffers()


def warn_of_reads(reads: list[str]) -> None:
    """Say which values of the input decided something in Python."""
    for where in reads:
        warn(
            f"a value that depends on the input was read in Python while exporting ({where}): what was decided there "
            "is fixed in the ONNX file"
        )
