"""The graph being written: nodes, constants, and terms that read as formulas: `x * 0.5 * (1 + w.Erf(x / 2**0.5))`."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from .errors import OnnxExporterError
from .sizes import Size

Shape = tuple["Size | int | None", ...]  # None where no simple rule says how long an axis is


class Term:
    """A value of the graph: its name there, its dtype (NumPy's), and its shape where it is known."""

    def __init__(self, writer: Writer, name: str, dtype: Any, shape: Shape | None = None) -> None:
        self.writer, self.dtype, self.shape = writer, np.dtype(dtype), shape
        self._name = name
        self.origin: Any = None  # of gates that a `linear` made: its input, weight and bias
        self.image: Shape | None = None  # of places in windows: the shape of the images

    @property
    def name(self) -> str:
        return self._name

    @property
    def known(self) -> Shape:
        """The shape, of a term that an op of the model made or took."""
        if self.shape is None:
            raise TypeError(f"the shape of {self._name} is not known")
        return self.shape

    @property
    def rank(self) -> int:
        return len(self.known)

    @property
    def fixed(self) -> tuple[int, ...]:
        """The shape, if no dynamic axis is in it."""
        return self.fixed_from(0)

    def fixed_from(self, axis: int) -> tuple[int, ...]:
        """The sizes of `axis` and those behind it, if none is dynamic."""
        if any(not isinstance(size, int) for size in self.known[axis:]):
            where = f" from axis {axis} on" if axis else ""
            raise OnnxExporterError(f"the shape {self.known} has a dynamic axis, and must be fixed here{where}")
        return self.known[axis:]  # type: ignore[return-value]

    @property
    def floating(self) -> bool:
        return self.dtype.kind == "f"

    def _with(self, op: str, other: Any, swapped: bool = False) -> Term:
        if isinstance(other, Term) and other.dtype != self.dtype:
            dtype = np.promote_types(self.dtype, other.dtype)
            self, other = self.cast(dtype), other.cast(dtype)
        pair = (self, self.writer.number(other, self.dtype))
        return self.writer.node(op, *(pair[::-1] if swapped else pair))

    def __add__(self, other: Any) -> Term:
        return self._with("Add", other)

    def __sub__(self, other: Any) -> Term:
        return self._with("Sub", other)

    def __mul__(self, other: Any) -> Term:
        return self._with("Mul", other)

    def __truediv__(self, other: Any) -> Term:
        return self._with("Div", other)

    def __radd__(self, other: Any) -> Term:
        return self._with("Add", other, True)

    def __rsub__(self, other: Any) -> Term:
        return self._with("Sub", other, True)

    def __rmul__(self, other: Any) -> Term:
        return self._with("Mul", other, True)

    def __rtruediv__(self, other: Any) -> Term:
        return self._with("Div", other, True)

    def __neg__(self) -> Term:
        return self.writer.node("Neg", self)

    def cast(self, dtype: Any) -> Term:
        """The same values as another dtype."""
        dtype = np.dtype(dtype)
        if dtype == self.dtype:
            return self
        return self.writer.node("Cast", self, dtype=dtype, shape=self.shape, to=self.writer.code(dtype))


class Writer:
    """Collects nodes and initializers. `writer.Exp(x)` adds a node of the operator Exp and gives its result."""

    def __init__(self, opset: int, axes: dict[str, tuple[Term, int]]) -> None:
        import onnx

        self.onnx = onnx
        self.opset = opset
        self.axes = axes  # a dynamic axis -> the input that has it, and where
        self.nodes: list[Any] = []
        self.initializers: dict[str, Any] = {}
        self.scope = ""  # the layer that is written, as a prefix of names
        self._numbers: Counter[str] = Counter()
        self._constants: dict[Any, Term] = {}
        self._sizes: dict[Any, Term] = {}

    def fresh(self, kind: str) -> str:
        """A name that nothing has yet."""
        base = f"{self.scope}/{kind}"
        self._numbers[base] += 1
        count = self._numbers[base]
        return base if count == 1 else f"{base}_{count - 1}"

    def code(self, dtype: Any) -> int:
        """ONNX's number for a dtype."""
        dtype = np.dtype(dtype)
        if dtype.kind in "cV":
            if dtype.kind == "c":
                raise OnnxExporterError("complex numbers are not written as ONNX")
            raise OnnxExporterError("bfloat16 is not written as ONNX: convert model and inputs first, model.float()")
        return int(self.onnx.helper.np_dtype_to_tensor_dtype(dtype))

    def __getattr__(self, op: str) -> Any:
        if not op[0].isupper():
            raise AttributeError(op)
        return lambda *args, **kwargs: self.node(op, *args, **kwargs)

    def node(
        self, op: str, *inputs: Any, dtype: Any = None, shape: Shape | None = None, outputs: int = 1, **attributes: Any
    ) -> Any:
        """Add a node. None among the inputs is one that is left out; the dtype is that of the first, if not given."""
        name = self.fresh(op)
        names = [name] if outputs == 1 else [f"{name}:{i}" for i in range(outputs)]
        given = ["" if term is None else term.name for term in inputs]
        while given and not given[-1]:
            given.pop()
        attributes = {key: value for key, value in attributes.items() if value is not None}
        self.nodes.append(self.onnx.helper.make_node(op, given, names, name=name, **attributes))
        kind = inputs[0].dtype if dtype is None else dtype
        made = [Term(self, each, kind, shape) for each in names]
        return made[0] if outputs == 1 else made

    def constant(self, value: Any, dtype: Any = None, name: str = "") -> Term:
        """An initializer; the same small constant is written once."""
        array = np.asarray(value, dtype)
        self.code(array.dtype)
        key = (array.dtype.str, array.shape, array.tobytes()) if array.size <= 64 and not name else None
        if key is not None and key in self._constants:
            return self._constants[key]
        scope, self.scope = self.scope, ""
        name = name or self.fresh("constant")
        self.scope = scope
        self.initializers[name] = self.onnx.numpy_helper.from_array(
            np.ascontiguousarray(array).reshape(array.shape), name
        )
        term = Term(self, name, array.dtype, tuple(array.shape))
        if key is not None:
            self._constants[key] = term
        return term

    def number(self, value: Any, dtype: Any) -> Term:
        """A term, or a number as a constant of the dtype."""
        if isinstance(value, Term):
            return value
        if isinstance(value, Size):
            return self.scalar(value).cast(dtype)
        return self.constant(value, dtype)

    # --- numbers that depend on dynamic axes ------------------------------------------------------------------------

    def size(self, value: Size | int) -> Term:
        """A whole number as a tensor of shape (1,), computed from the inputs' shapes where it depends on them."""
        if isinstance(value, int):
            return self.constant([value], np.int64)
        if value not in self._sizes:
            total: Term | None = None
            for names, factor in value.terms.items():
                part: Term = self.constant([factor], np.int64)
                for name in names:
                    part = self._axis(name) if factor == 1 and len(names) == 1 else part * self._axis(name)
                total = part if total is None else total + part
            self._sizes[value] = total  # type: ignore[assignment]
        return self._sizes[value]

    def _axis(self, name: str) -> Term:
        term, axis = self.axes[name]
        key = Size({(name,): 1})
        if key not in self._sizes:
            self._sizes[key] = self.Shape(term, dtype=np.int64, start=axis, end=axis + 1)
        return self._sizes[key]

    def scalar(self, value: Size | int) -> Term:
        """A whole number as a 0-d tensor."""
        if isinstance(value, int):
            return self.constant(value, np.int64)
        return self.Squeeze(self.size(value), self.ints([0]))

    def ints(self, values: Sequence[Size | int]) -> Term:
        """Whole numbers as a 1-d tensor."""
        values = list(values)
        if all(isinstance(value, int) for value in values):
            return self.constant(np.asarray(values, np.int64).reshape(-1), np.int64)
        runs: list[Term] = []
        for fixed, group in itertools.groupby(values, lambda value: isinstance(value, int)):
            same = list(group)
            runs += [self.ints(same)] if fixed else [self.size(value) for value in same]
        return runs[0] if len(runs) == 1 else self.Concat(*runs, axis=0)

    # --- what many converters need ------------------------------------------------------------------------------------

    def reshape(self, x: Term, shape: Sequence[Size | int]) -> Term:
        """`x` in a shape; sizes that depend on an axis as 0 or -1 where ONNX allows it."""
        entries = list(shape)
        wanted: Shape = tuple(shape)
        moving = [i for i, size in enumerate(entries) if isinstance(size, Size)]
        if 0 not in entries:
            for i in list(moving):  # 0 stands for the size that the input has there
                if x.shape is not None and i < len(x.shape) and x.shape[i] == entries[i]:
                    entries[i] = 0
                    moving.remove(i)
            if len(moving) == 1 and -1 not in entries:
                entries[moving[0]] = -1
        zero = 1 if 0 in wanted else None
        return self.Reshape(x, self.ints(entries), shape=None if -1 in wanted else wanted, allowzero=zero)

    def unsqueeze(self, x: Term, *axes: int) -> Term:
        return self.Unsqueeze(x, self.ints(axes))

    def squeeze(self, x: Term, *axes: int) -> Term:
        return self.Squeeze(x, self.ints(axes))

    def slice(self, x: Term, axis: int, start: Size | int, stop: Size | int, step: int = 1) -> Term:
        return self.Slice(x, self.ints([start]), self.ints([stop]), self.ints([axis]), self.ints([step]))

    def permute(self, x: Term, order: Sequence[int]) -> Term:
        return self.Transpose(x, perm=[int(axis) for axis in order])

    def where(self, condition: Term, yes: Any, no: Any, dtype: Any = None) -> Term:
        """`yes` where the condition holds, else `no`; one of them may be a number."""
        kind = dtype or (yes if isinstance(yes, Term) else no).dtype
        return self.Where(condition.cast(bool), self.number(yes, kind), self.number(no, kind), dtype=kind)

    def reduce(self, op: str, x: Term, dims: Sequence[int] | None, keepdim: bool) -> Term:
        """One of the Reduce operators, over all dimensions for None."""
        if dims is not None and not dims:
            return self.Identity(x)
        return self.node(op, x, None if dims is None else self.ints(dims), keepdims=int(keepdim))
