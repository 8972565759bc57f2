"""The declaration of an op, and the table of all ops.

An op is declared once:

    @op(domain=real())
    def tanh(xp, input):
        "Hyperbolic tangent of each element: (e^x - e^-x) / (e^x + e^-x)."
        return xp.tanh(input)

    tanh.vjp(input=lambda m, g, out: g * (1 - out * out))

The forward expression gets `xp`, the array library, and raw arrays (a Python number stays one). What stands before
`*` in its signature are arrays, what stands behind are attributes (`dim`, `keepdim`, …). It returns an array, or a
tuple whose first is the result and whose others (`aux=("indices",)` names them) are by-products; the first alone is
differentiable.

A rule of the backward pass is a function of `m`, the vocabulary of ops, and `g`, the gradient of the result, and asks
by name for what else it needs: `out`, an input, an attribute, a by-product, `<input>_shape`. What is named is kept
until backward, nothing else, so the signature says what an op costs in memory. `m.sum(g, dim=0)` is the op `sum`:
its forward on raw arrays in a first-order backward, the op itself on Tensors where the backward pass must itself be
differentiated or recorded. Hence a rule is written in ops and operators only, and gives any order for free. In an
elementwise op a rule ignores broadcasting: the engine sums the gradient back to the input's shape.
"""

# pyright: reportUnknownVariableType=false
from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from types import MethodType
from typing import Any

from pellucid.backend import Array

from .context import TABLE
from .domain import Domain
from .door import apply

Forward = Callable[..., Any]
Rule = Callable[..., Any]

_NUMPY_NAMES = {"axis": "dim", "keepdims": "keepdim", "x": "input", "x1": "input", "x2": "other"}  # PyTorch takes both
REQUIRED = inspect.Parameter.empty  # the default of an attribute that has none
OUT, VALUE, SHAPE, AUX, ATTRIBUTE = range(5)  # what a saved slot of a node holds


class Plan:
    """What backward needs when a given set of inputs wants gradients: which values to keep, which rules to call."""

    __slots__ = ("rules", "saves", "tracked", "wanted")

    def __init__(
        self,
        tracked: tuple[int, ...],
        saves: tuple[tuple[int, Any], ...],
        rules: tuple[tuple[int, Rule, tuple[int, ...]], ...],
    ) -> None:
        self.tracked = tracked  # inputs that require a gradient
        self.saves = saves  # (what, which) for each slot
        self.rules = rules  # (input, rule, slots that are its arguments)
        self.wanted = tuple(position for position, _, _ in rules)


class Op:
    """One declared op; calling it goes through the door.

    Attributes are the declaration: `name`, `forward`, `inputs` (names of the array arguments), `star` (the position
    of a starred one, for an op over a list, else None), `attributes` (name to default), `rules`, `kind` (how dtypes
    mix, see `core.promotion`), `elementwise`, `mutates` (positions of inputs that it overwrites), `view` (its result
    shares memory with its input), `aux`, `domain`, `reference` (PyTorch's name), `method` and `public` (how it is
    exported). `like` is the function whose arguments the op has, where forward only says `*others, **attributes`.
    `node` is what PyTorch calls the recorded application, where that does not follow from the op's name: a name, or a
    function from the arguments and attributes to one.
    """

    def __init__(
        self,
        forward: Forward,
        *,
        name: str | None = None,
        kind: str | None = None,
        elementwise: bool = False,
        domain: Domain | None = None,
        reference: str | None = None,
        aux: tuple[str, ...] = (),
        mutates: tuple[int, ...] = (),
        view: bool = False,
        method: bool = True,
        public: bool = True,
        promotes: tuple[str, ...] | None = None,
        check: Callable[..., None] | None = None,
        tensors: tuple[str, ...] = (),
        numbers: bool = False,
        like: Forward | None = None,
        node: str | Callable[[tuple[Any, ...], dict[str, Any]], str] | None = None,
    ) -> None:
        self.name = name or forward.__name__
        self.declared = like or forward  # the function whose arguments these are
        self.forward = forward
        self.kind = kind
        self.elementwise = elementwise
        self.domain = domain
        self.reference = reference or f"torch.{self.name}"
        self.aux = aux
        self.mutates = mutates
        self.view = view
        self.method = method
        self.public = public
        self.node = node
        self.__doc__ = forward.__doc__
        self.__name__ = self.__qualname__ = self.name
        self.__module__ = forward.__module__
        # Read off the code object: inspect.signature, 400 times, would double the time that importing pellucid takes.
        given: Any = inspect.unwrap(self.declared)
        code = given.__code__
        positional, keyword = code.co_argcount, code.co_kwonlyargcount
        names = code.co_varnames
        starred = bool(code.co_flags & inspect.CO_VARARGS)
        self.inputs: tuple[str, ...] = names[1:positional] + names[positional + keyword :][:starred]
        self.star: int | None = positional - 1 if starred else None
        self.optional: tuple[Any, ...] = given.__defaults__ or ()  # what the last inputs are if not given
        self.required = positional - 1 - len(self.optional)
        defaults: dict[str, Any] = given.__kwdefaults__ or {}
        self.attributes = {name: defaults.get(name, REQUIRED) for name in names[positional : positional + keyword]}
        self.check = check  # called with arguments of mixed dtypes before they are promoted, to refuse some
        self.tensors = tuple(self.inputs.index(one) for one in tensors)  # where a Python number will not do
        self.numbers = numbers  # whether all arguments may be numbers
        self.promotes = None if promotes is None else frozenset(self.inputs.index(one) for one in promotes)
        if "out" in self.inputs:
            raise ValueError(f"{self.name}: no input may be called 'out', a rule means the op's result by it")
        self.rules: dict[int, Rule] = {}
        self.recompute: dict[str, Rule] = {}
        self.plans: dict[int, Plan] = {}  # by mask, made when first needed
        if self.name in TABLE:
            raise ValueError(f"op {self.name!r} is declared twice")
        TABLE[self.name] = self

    def vjp(self, **rules: Rule) -> None:
        """Declare the rules of the backward pass, one for each differentiable input, by its name."""
        for name, rule in rules.items():
            self.rules[self.inputs.index(name)] = rule

    def recomputes(self, **rules: Rule) -> None:
        """Say how a differentiable by-product follows from the inputs: `log_probs=lambda m, input: …`.

        The first-order backward uses the array that forward left. A backward that is itself differentiated must see
        how the by-product depends on the inputs, and calls the rule.
        """
        self.recompute.update(rules)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if kwargs or len(args) != len(self.inputs) or self.star is not None:
            args, kwargs = self.bind(args, kwargs)
        for position in self.tensors:
            if isinstance(args[position], int | float):
                name, value = self.inputs[position], args[position]
                raise TypeError(
                    f"{self.name}(): argument {name!r} must be Tensor, not {value!r}; write tensor({value!r})"
                )
        return apply(self, args, kwargs)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        return MethodType(self, instance)

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Sort a call's arguments into arrays (positional) and attributes (by keyword)."""
        kwargs = dict(kwargs)
        for numpys, ours in _NUMPY_NAMES.items():
            if numpys in kwargs and ours not in kwargs and numpys not in self.attributes:
                kwargs[ours] = kwargs.pop(numpys)
        if self.star is not None:
            return args, kwargs
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
            raise TypeError(f"{self.name}() misses {missing}; it is called as {self.usage()}")
        if len(extra) > len(self.attributes):
            raise TypeError(f"{self.name}() takes at most {len(self.inputs) + len(self.attributes)} arguments "
                            f"({len(args)} given); it is called as {self.usage()}")  # fmt: skip
        kwargs.update(zip(self.attributes, extra, strict=False))
        for name in kwargs:
            if name not in self.attributes:
                raise TypeError(f"{self.name}() got an unexpected argument {name!r}; it is called as {self.usage()}")
        return tuple(arrays), kwargs

    def usage(self) -> str:
        """How the op is called: `sum(input, *, dim=None, keepdim=False)`."""
        signature = self.__signature__
        plain = [one.replace(annotation=one.empty) for one in signature.parameters.values()]
        return self.name + str(inspect.Signature(plain))

    @property
    def __signature__(self) -> inspect.Signature:
        signature = inspect.signature(self.declared)
        return signature.replace(parameters=list(signature.parameters.values())[1:])  # without xp

    def plan(self, mask: int) -> Plan:
        """What to keep and which rules to call when the inputs whose bits are set in `mask` require gradients."""
        tracked = tuple(i for i in range(mask.bit_length()) if mask >> i & 1)
        slots: dict[tuple[int, Any], int] = {}
        rules: list[tuple[int, Rule, tuple[int, ...]]] = []
        for position in tracked:
            rule = self.rules.get(position if self.star is None else min(position, self.star))
            if rule is None:
                continue
            names = list(inspect.signature(rule).parameters)[2:]
            keys = [key for name in names for key in self._slot(name, position)]
            rules.append((position, rule, tuple(slots.setdefault(key, len(slots)) for key in keys)))
        plan = self.plans[mask] = Plan(tracked, tuple(slots), tuple(rules))
        return plan

    def _slot(self, name: str, position: int) -> Iterator[tuple[int, Any]]:
        if name == "out":
            yield OUT, 0
        elif self.star is not None and name == "index":
            yield ATTRIBUTE, ("", position - self.star)
        elif self.star is not None and name == self.inputs[self.star]:
            yield VALUE, None
        elif self.star is not None and name == self.inputs[self.star] + "_shape":
            yield SHAPE, None
        elif name in self.inputs:
            yield VALUE, self.inputs.index(name)
        elif name in self.aux:
            yield AUX, self.aux.index(name)
        elif name in self.attributes:
            yield ATTRIBUTE, (name, self.attributes[name])
        elif name.removesuffix("_shape") in self.inputs:
            yield SHAPE, self.inputs.index(name.removesuffix("_shape"))
        else:
            raise TypeError(f"the backward rule of {self.name} asks for {name!r}, which the op does not have")

    def __repr__(self) -> str:
        return f"<op {self.usage()}>"


def op(**declaration: Any) -> Callable[[Forward], Op]:
    """Declare an op; see the head of this file, and `Op` for what a declaration may say."""

    def declare(forward: Forward) -> Op:
        return Op(forward, **declaration)

    return declare


def elementwise(*, kind: str = "float", **declaration: Any) -> Callable[[Forward], Op]:
    """Declare an op that works on each element alone, after broadcasting."""
    return op(kind=kind, elementwise=True, **declaration)


class Raw:
    """The vocabulary of ops on raw arrays of one array library: what a first-order backward speaks."""

    def __init__(self, xp: Any) -> None:
        self._xp = xp

    def __getattr__(self, name: str) -> Any:
        op = _named(name)
        kernel = functools.partial(op.forward, self._xp)
        if op.aux:
            kernel = functools.partial(_first, kernel)
        setattr(self, name, kernel)
        return kernel


def _first(kernel: Any, *arrays: Array, **attributes: Any) -> Any:
    return kernel(*arrays, **attributes)[0]


class Lifted:
    """The vocabulary of ops on Tensors: what a backward speaks that is itself differentiated or recorded."""

    def __getattr__(self, name: str) -> Any:
        op = _named(name)

        def call(*tensors: Any, **attributes: Any) -> Any:
            result = op(*tensors, **attributes)
            return result[0] if type(result) is tuple else result

        setattr(self, name, call)
        return call


def _named(name: str) -> Op:
    try:
        return TABLE[name]
    except KeyError:
        raise AttributeError(f"a backward rule asks for the op {name!r}, which is not in the table") from None


LIFTED = Lifted()
