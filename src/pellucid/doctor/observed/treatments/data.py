"""Changes of the rows that a network is given: which, in what order, at what scale, and how often."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.core import Tensor

from ..arrays import array_of
from ..criterion import BINARY
from ..record import Place
from ..rows import inside, numbers
from .treatment import Treatment

OF_DISTANCES = {"mse_loss": 2, "l1_loss": 1}  # and the power with which they grow
PRODUCTS = ("linear", "matmul", "mm", "addmm")


@dataclass
class DropRows(Treatment):
    """Some rows, told by their numbers, see `rows`, do not count in a loss of classes."""

    numbers: np.ndarray
    ignored: np.ndarray | None = None  # of the batch at hand

    def module(self, module: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
        self.ignored = None
        if args and isinstance(args[0], Tensor) and args[0].dim():
            ignored = inside(numbers(args), self.numbers)
            self.ignored = ignored if ignored.any() and not ignored.all() else None
        return args

    def op(self, key: tuple[str, int], args: Any, kwargs: Any) -> tuple[Any, Any]:
        if self.ignored is None or key[0] not in ("cross_entropy", "nll_loss") or len(args) < 2:
            return args, kwargs
        target = array_of(args[1])
        if target.shape != self.ignored.shape or target.dtype.kind == "f":
            return args, kwargs
        nothing = kwargs.get("ignore_index", -100)
        marked = args[1].new_tensor(np.where(self.ignored, nothing, target))
        return (args[0], marked, *args[2:]), {**kwargs, "ignore_index": nothing}

    def criterion(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        if self.ignored is None or name not in BINARY or args[1].shape[0] != len(self.ignored):
            return kwargs
        weight = np.where(self.ignored, 0.0, len(self.ignored) / (~self.ignored).sum())
        return {**kwargs, "weight": args[1].new_tensor(weight.reshape(-1, *[1] * (args[1].dim() - 1)))}


@dataclass
class ScaleInputs(Treatment):
    """What the network is called with, less its mean, over its standard deviation; each by column where asked."""

    of_function = True

    mean: np.ndarray
    std: np.ndarray
    shape: tuple[int, ...] = ()  # of a row
    by_module: bool = False

    def module(self, module: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
        if not args or not isinstance(args[0], Tensor) or not args[0].is_floating_point():
            return args
        shape = tuple(args[0].shape)
        others = self.shape and self.shape not in (shape, shape[1:])  # a row by itself, or several
        if others or (args[0].requires_grad and not args[0].is_leaf):
            return args  # what another network makes of the rows
        self.by_module = True
        return (self._scaled(args[0]), *args[1:])

    def op(self, key: tuple[str, int], args: Any, kwargs: Any) -> tuple[Any, Any]:
        """Of a program without modules: where rows meet the first weights."""
        if (
            self.by_module
            or key[0] not in PRODUCTS
            or len(args) < 2
            or not all(isinstance(a, Tensor) for a in args[:2])
        ):
            return args, kwargs
        x, weight = args[-2:] if key[0] == "addmm" else args[:2]
        if x.requires_grad or not weight.requires_grad or tuple(x.shape[1:]) != self.shape or not x.is_floating_point():
            return args, kwargs
        scaled = self._scaled(x)
        return ((args[0], scaled, weight) if key[0] == "addmm" else (scaled, *args[1:])), kwargs

    def _scaled(self, x: Any) -> Any:
        array = ((array_of(x) - self.mean) / self.std).astype(array_of(x).dtype)
        return x.new_tensor(array)


@dataclass
class ScaleTargets(Treatment):
    """A distance is taken to targets less their mean, over their standard deviation."""

    of_function = True

    mean: float
    std: float

    def compared(self, name: str, args: tuple[Any, ...]) -> tuple[tuple[Any, ...], float]:
        if name not in OF_DISTANCES or len(args) < 2 or not isinstance(args[1], Tensor) or args[1].requires_grad:
            return args, 1.0
        scaled = (args[1] - self.mean) / self.std
        return (args[0], scaled, *args[2:]), self.std ** OF_DISTANCES[name]


@dataclass
class Shuffle(Treatment):
    """DataLoaders shuffle; of tensors with all rows, slices are taken in a random order, the same for all of them."""

    rows: int = 0
    batch: int = 0

    def __post_init__(self) -> None:
        self.order = np.random.default_rng(0).permutation(self.rows) if self.rows else None
        self.whole: dict[int, tuple[Any, Any]] = {}  # by the id of a tensor, itself and its rows in another order

    def loader(self, options: dict[str, Any]) -> None:
        if not options.get("sampler") and not options.get("batch_sampler"):
            options["shuffle"] = True

    def op(self, key: tuple[str, int], args: Any, kwargs: Any) -> tuple[Any, Any]:
        if self.order is None or key[0] != "part" or not args or len(args[0].shape) == 0:
            return args, kwargs
        cut = kwargs["key"][0] if isinstance(kwargs["key"], tuple) else kwargs["key"]
        if len(args[0]) != self.rows or not isinstance(cut, slice):
            return args, kwargs
        taken = range(*cut.indices(self.rows))
        if len(taken) > max(2 * self.batch, 1) or not taken:
            return args, kwargs
        x = args[0]
        if id(x) not in self.whole:
            self.whole[id(x)] = (x, x[x.new_tensor(self.order).long()])
        return (self.whole[id(x)][1], *args[1:]), kwargs


@dataclass
class Longer(Treatment):
    """Each time that the program goes through a DataLoader to train, it goes through it several times; or a loop over
    a `range(…)` goes as many times as far.

    Attributes:
        loop: the line of that.
    """

    times: int
    loop: Place | None = None

    def epochs(self) -> int:
        return self.times if self.loop is None else 1

    def rounds(self) -> tuple[Place, int] | None:
        return None if self.loop is None else (self.loop, self.times)
