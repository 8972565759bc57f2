"""Changes of what lies between the output of a network and its loss, and of ops off their domain."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.core import Tensor
from pellucid.nn.functional import log_softmax
from pellucid.ops.choice import clamp

from ..criterion import QUOTIENTS
from .treatment import Treatment


@dataclass
class WeighClasses(Treatment):
    """In a loss of classes, each row weighs by how rare its class is."""

    counts: dict[int, int]

    def criterion(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        total = sum(self.counts.values())
        logits, target = args[0], args[1]
        if name in ("cross_entropy", "nll_loss"):
            rare = [total / (len(self.counts) * self.counts.get(c, total)) for c in range(logits.shape[1])]
            return {**kwargs, "weight": logits.new_tensor(rare)}
        each = {c: total / (len(self.counts) * n) for c, n in self.counts.items()}
        return {**kwargs, "weight": target * each.get(1, 1.0) + (1 - target) * each.get(0, 1.0)}


@dataclass
class FromZero(Treatment):
    """Class ids are counted from 0."""

    names = ("cross_entropy", "nll_loss")

    def compared(self, name: str, args: tuple[Any, ...]) -> tuple[tuple[Any, ...], float]:
        if name not in self.names or len(args) < 2 or not isinstance(args[1], Tensor) or args[1].is_floating_point():
            return args, 1.0
        return (args[0], args[1] - 1, *args[2:]), 1.0


@dataclass
class Within(Treatment):
    """A logarithm, root or quotient is kept off the edge of its domain."""

    of_function = True

    names: frozenset[str]
    edge: float = 1e-6

    def op(self, key: tuple[str, int], args: Any, kwargs: Any) -> tuple[Any, Any]:
        if key[0] not in self.names or not isinstance(args[-1], Tensor) or not args[-1].is_floating_point():
            return args, kwargs
        x = args[-1] if key[0] in QUOTIENTS else args[0]
        if not isinstance(x, Tensor) or not x.requires_grad:
            return args, kwargs
        safe = clamp(x, min=self.edge) if key[0] not in QUOTIENTS else x + (x >= 0).to(x.dtype) * self.edge
        return ((args[0], safe) if key[0] in QUOTIENTS else (safe, *args[1:])), kwargs


@dataclass
class Bypass(Treatment):
    """An op hands on what it was given."""

    of_function = True

    key: tuple[str, int]

    def result(self, key: tuple[str, int], args: Any, result: Any) -> Any:
        return args[0] if key == self.key else result


@dataclass
class Scale(Treatment):
    """The results of some ops times a factor."""

    keys: frozenset[tuple[str, int]]
    factor: float

    def result(self, key: tuple[str, int], args: Any, result: Any) -> Any:
        return result * self.factor if key in self.keys else result


class _Context:
    """Takes whatever a forward keeps for its backward."""

    def __getattr__(self, name: str) -> Any:
        return lambda *kept, **options: None


@dataclass
class ByForward(Treatment):
    """A custom `autograd.Function` is differentiated by what its forward computes."""

    name: str

    def function(self, kind: Any) -> Callable[..., Any] | None:
        if kind.__name__ != self.name:
            return None
        return functools.partial(kind.forward, *([_Context()] if kind.setup_context is None else []))


@dataclass
class Negate(Treatment):
    """The result of an op with its sign turned."""

    key: tuple[str, int]

    def result(self, key: tuple[str, int], args: Any, result: Any) -> Any:
        return -result if key == self.key else result


@dataclass
class Attribute(Treatment):
    """An op with another attribute, such as the axis of a softmax."""

    of_function = True

    key: tuple[str, int]
    name: str
    value: Any

    def op(self, key: tuple[str, int], args: Any, kwargs: Any) -> tuple[Any, Any]:
        return (args, {**kwargs, self.name: self.value}) if key == self.key else (args, kwargs)


@dataclass
class LogProbabilities(Treatment):
    """log_softmax of what a loss is given."""

    key: tuple[str, int]

    def op(self, key: tuple[str, int], args: Any, kwargs: Any) -> tuple[Any, Any]:
        return ((log_softmax(args[0], dim=1), *args[1:]), kwargs) if key == self.key else (args, kwargs)


@dataclass
class SameShape(Treatment):
    """In a difference, the side without a gradient takes the shape of the other; or in all products of that size."""

    of_function = True

    key: tuple[str, int] | None
    size: int = 0  # of what the products become

    def op(self, key: tuple[str, int], args: Any, kwargs: Any) -> tuple[Any, Any]:
        two = len(args) == 2 and all(isinstance(a, Tensor) for a in args)
        if not two or (self.key != key if self.key else key[0] != "mul") or args[0].numel() != args[1].numel():
            return args, kwargs
        left, right = args
        if left.requires_grad == right.requires_grad or left.shape == right.shape:
            return args, kwargs
        if self.key is None and int(np.prod(np.broadcast_shapes(tuple(left.shape), tuple(right.shape)))) != self.size:
            return args, kwargs
        if left.requires_grad:
            return (left, right.reshape(left.shape)), kwargs
        return (left.reshape(right.shape), right), kwargs
