"""The declaration of an op, and the table of all ops.

An op is declared once:

    @op(domain=real())
    def tanh(xp, input):
        "Hyperbolic tangent of each element: (e^x - e^-x) / (e^x + e^-x)."
        return xp.tanh(input)

    tanh.vjp(input=lambda m, g, out: g * (1 - out * out))

The forward expression gets `xp`, the array library, and raw arrays (a Python number stays one). The arguments
before `*` in its signature are arrays, those after it attributes (`dim`, `keepdim`, …). It returns an array, or a
tuple whose first is the result and whose others (`aux=("indices",)` names them) are by-products; the first alone is
differentiable.

A rule of the backward pass is a function of `m`, the vocabulary of ops, and `g`, the gradient of the result, and asks
by name for what else it needs: `out`, an input, an attribute, a by-product, `<input>_shape`. What is named is kept
until backward, nothing else, so the signature says what an op costs in memory. `m.sum(g, dim=0)` is the op `sum`:
its forward on raw arrays in a first-order backward, the op itself on Tensors where the backward pass must itself be
differentiated or recorded. Hence a rule is written in ops and operators only, and gives any order for free. In an
elementwise op a rule ignores broadcasting: the engine sums the gradient back to the input's shape.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from types import MethodType
from typing import Any, cast

from pellucid.core import declaration
from pellucid.core.declaration import Declaration, Forward
from pellucid.core.door import apply
from pellucid.core.node import Arguments, Attributes, node_name
from pellucid.core.tensor import Tensor
from pellucid.errors import ShapeError, with_line, wrong_type
from pellucid.types.dtypes import bfloat16, category, refuse_wide

from .arguments import is_number, kind_of_argument, method_of_sparse
from .older_order import newer_order
from .outputs import stored
from .overrides import ask, derived, overriding

_NUMPY_NAMES = {"axis": "dim", "keepdims": "keepdim", "x": "input", "x1": "input", "x2": "other"}  # PyTorch takes both
_OF_RANGES = {"from": "low", "to": "high"}  # of `uniform_` and `random_`: `from` cannot be the name of a parameter


_SCALARS = frozenset(("alpha", "beta", "value"))  # numbers for which PyTorch also takes a tensor of no dimensions
_BY_KEYWORD = _SCALARS | {
    "dtype",
    "device",
    "generator",
    "memory_format",
    "layout",
    "decimals",
    "stable",
    "correction",
    "interpolation",
    "rounding_mode",
    "right",
    "out_int32",
}  # fmt: skip  what PyTorch takes by keyword alone, but in nn.functional


class Op(Declaration):
    """One declared op; calling it goes through the door."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if derived and (asked := overriding(args, kwargs)):
            return ask(asked, self, args, kwargs)
        if kwargs and "out" in kwargs and not self.mutates:
            return stored(self.name, self, args, kwargs)
        given = None
        if kwargs or len(args) != len(self.inputs) or self.star is not None:
            given = args, kwargs
            args, kwargs = self.bind(args, kwargs)
        for position in self.tensors:
            if isinstance(args[position], int | float | complex):
                name, value = self.inputs[position], args[position]
                raise TypeError(
                    f"{self.name}(): argument {name!r} must be Tensor, not {value!r}; write tensor({value!r})"
                )
        try:
            return apply(self, args, kwargs)
        except Exception as failure:
            own = method_of_sparse(self.name, args)
            if own is not None:
                return own(*args, **kwargs)
            args, kwargs = given or (args, kwargs)
            asked = overriding(args, kwargs)
            if asked:
                return ask(asked, self, args, kwargs)
            self._refuse_types(args, failure)
            raise

    @functools.cached_property
    def kinds(self) -> dict[str, Any]:
        """What each attribute must be, from the annotations; those that may be anything are left out."""
        annotations: Attributes = inspect.unwrap(self.declared).__annotations__
        found = {name: kind_of_argument(name, annotations.get(name)) for name in self.attributes}
        return {name: kind for name, kind in found.items() if kind is not None}

    def _refuse_types(self, args: Arguments, failure: Exception) -> None:
        """After a failure: say that an argument is no tensor, if so, rather than what became of it."""
        for position, value in enumerate(args[: self.required]):
            elementwise = self.elementwise and position not in self.tensors
            number = isinstance(value, int | float | complex)
            number = number and (elementwise or not isinstance(failure, AttributeError))
            annotation = self.__signature__.parameters[self.inputs[min(position, len(self.inputs) - 1)]].annotation
            if not (number or "float" in str(annotation) or hasattr(value, "dtype")):
                raise wrong_type(self.name, self.inputs[position], "Tensor", value)

    def _refuse_positional(self, args: Arguments, extra: Arguments) -> None:
        """Raise TypeError where one of the arguments `extra` is one that PyTorch takes by keyword alone."""
        if "nn.functional" in self.reference:
            return
        for name, value in zip(self.attributes, extra, strict=False):
            if name in _BY_KEYWORD:
                raise TypeError(with_line(
                    f"{self.name}() takes at most {len(args) - len(extra) + [*self.attributes].index(name)} "
                    f"positional arguments ({len(args)} given); write {name}={value!r}"
                ))  # fmt: skip

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        return MethodType(self, instance)

    def bind(self, args: Arguments, kwargs: Attributes) -> tuple[Arguments, Attributes]:
        """Sort a call's arguments into arrays (positional) and attributes (by keyword)."""
        kwargs = dict(kwargs)
        for numpys, ours in _NUMPY_NAMES.items():
            if numpys in kwargs and ours not in kwargs and numpys not in self.attributes:
                kwargs[ours] = kwargs.pop(numpys)
        if self.star is not None:
            return args, kwargs
        if "high" in self.attributes:
            kwargs = {_OF_RANGES.get(name, name): value for name, value in kwargs.items()}
        arrays = list(args[: len(self.inputs)])
        extra = args[len(self.inputs) :]
        for name in self.inputs[len(arrays) :]:
            if name in kwargs:
                arrays.append(kwargs.pop(name))
            elif len(arrays) < self.required:
                break
            else:
                arrays.append(self.optional[len(arrays) - self.required])
        if len(arrays) < self.required:
            missing = ", ".join(self.inputs[len(arrays) : self.required])
            raise TypeError(f"{self.name}() is missing {missing}; it is called as {self.usage()}")
        if extra and isinstance(extra[-1], Tensor):
            newer = newer_order(self.name, args, kwargs)
            if newer is not None:
                return self.bind(*newer)
        if len(extra) > len(self.attributes):
            raise TypeError(f"{self.name}() takes at most {len(self.inputs) + len(self.attributes)} arguments "
                            f"({len(args)} given); it is called as {self.usage()}")  # fmt: skip
        if extra and not _BY_KEYWORD.isdisjoint(self.attributes) and (self.public or self.method):
            self._refuse_positional(args, extra)
        kwargs.update(zip(self.attributes, extra, strict=False))
        for name, value in [*kwargs.items()]:
            if name not in self.attributes:
                raise TypeError(f"{self.name}() got an unexpected argument {name!r}; it is called as {self.usage()}")
            if name in _SCALARS and isinstance(value, Tensor) and is_number(value):
                kwargs[name] = value.item()
                continue
            if type(value) is int and (name in _SCALARS or self.kinds.get(name, ("",))[0] == "float"):
                refuse_wide(value)
            if name in _SCALARS and isinstance(value, str | list | tuple):
                raise wrong_type(self.name, name, "Number", value)
            kind = self.kinds.get(name)
            if kind is not None and value is not self.attributes[name] and not kind[1](value):
                raise wrong_type(self.name, name, kind[0], value)
        if (
            kwargs.get("dtype") is bfloat16
            and not (self.any_dtype or self.view)
            and isinstance(arrays[0] if arrays else None, Tensor)
        ):
            kwargs["dtype"] = None  # what is computed in bfloat16 is cast before, as in PyTorch
            arrays[0] = apply(TABLE["cast"], (arrays[0],), {"dtype": bfloat16})
        return tuple(arrays), kwargs


TABLE = cast("dict[str, Op]", declaration.TABLE)
"""Every op by name, in order of declaration."""


def op(*, in_place: bool | str = False, **declaration: Any) -> Callable[[Forward], Op]:
    """Declare an op; see the head of this file, and `Declaration` for what a declaration may say.

    `in_place=True` declares `NAME_` besides, the method that stores the result in the tensor; with
    `in_place="function"` it is also a function. The aliases then have their forms in place, too.
    """

    def declare(forward: Forward) -> Op:
        made = Op(forward, **declaration)
        if in_place:
            _in_place(made, public=in_place == "function")
        return made

    return declare


def elementwise(*, kind: str = "float", **declaration: Any) -> Callable[[Forward], Op]:
    """Declare an op that works on each element alone, after broadcasting."""
    return op(kind=kind, elementwise=True, **declaration)


def _in_place(op: Op, public: bool) -> Op:
    """The op `NAME_` that stores the result of `op` in its first input, with the same rules.

    Raises where the result does not have the input's shape, or would have to go down a category of dtypes.
    """

    def forward(xp: Any, input: Any, *others: Any, **attributes: Any) -> Any:
        result = op.forward(xp, input, *others, **attributes)
        if result.shape != input.shape:
            raise ShapeError(
                f"output with shape {list(input.shape)} doesn't match the broadcast shape {list(result.shape)}; "
                f"write {op.name} (not in place) for a result of that shape"
            )
        if result.dtype != input.dtype and op.kind != "compare" and category(result.dtype) > category(input.dtype):
            raise RuntimeError(f"result type {result.dtype} can't be cast to the desired output type {input.dtype}")
        input[...] = result
        return input

    forward.__name__, forward.__module__ = op.name + "_", op.forward.__module__
    first = inspect.cleandoc(op.__doc__ or "").split("\n")[0]
    forward.__doc__ = f"In place: {first}"
    made = Op(
        forward, kind=op.kind, elementwise=op.elementwise, domain=op.domain, reference=f"torch.Tensor.{op.name}_",
        mutates=(0,), promotes=None if op.promotes is None else tuple(op.inputs[i] for i in op.promotes),
        method=op.method, public=public, aliases=tuple(alias + "_" for alias in op.aliases),
        node=op.node or node_name(op.name), check=op.check, piecewise=op.piecewise,
        tensors=tuple(op.inputs[i] for i in op.tensors), like=op.declared,
    )  # fmt: skip
    made.rules = op.rules
    return made
