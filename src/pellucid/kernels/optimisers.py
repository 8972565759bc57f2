"""Steps of optimisers in one pass over the parameter, its gradient and what is kept of former ones, in place.

`step` takes the step of one parameter, by the loop of its optimiser. `Rows` takes it for many at once: their addresses
are in a table, which a kernel goes through, calling the same loop for each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pellucid.backend import Array

from . import compiler
from .calling import address
from .emitter import Emitter, Value
from .pool import share
from .table import TYPES, Kernel, flat

_EACH = 1 << 16  # numbers that a thread takes at least


def _ascent(k: Emitter, type: str, i: Value, param: Value, decays: bool) -> Value:
    """sign · grad + decay · param."""
    gradient = k.load(type, k.grad, i) * k.sign
    return gradient + param * k.decay if decays else gradient


def _adam(name: str, type: str, decays: bool) -> Emitter:
    numbers = ("sign", "decay", "shrink", "rest1", "beta2", "rest2", "root", "eps", "rate")
    pointers = dict.fromkeys(("param", "grad", "mean", "square"), "ptr")
    k = Emitter(f"{name}_{int(decays)}", {**pointers, **dict.fromkeys(numbers, type)})
    with k.loop(k.start, k.stop) as i:
        param = k.load(type, k.param, i) * k.shrink
        g = _ascent(k, type, i, param, decays)
        mean = k.load(type, k.mean, i)
        mean = mean + (g - mean) * k.rest1
        square = k.load(type, k.square, i) * k.beta2 + g * k.rest2 * g
        k.store(mean, k.mean, i)
        k.store(square, k.square, i)
        below = k.intrinsic("sqrt", square) / k.root + k.eps
        k.store(param - mean * k.rate / below, k.param, i)
    return k


def _sgd(name: str, type: str, decays: bool, nesterov: bool) -> Emitter:
    pointers = dict.fromkeys(("param", "grad", "buffer"), "ptr")
    k = Emitter(
        f"{name}_{int(decays)}_{int(nesterov)}",
        {**pointers, **dict.fromkeys(("sign", "decay", "momentum", "rest", "rate"), type)},
    )
    with k.loop(k.start, k.stop) as i:
        param = k.load(type, k.param, i)
        g = _ascent(k, type, i, param, decays)
        buffer = k.load(type, k.buffer, i) * k.momentum + g * k.rest
        k.store(buffer, k.buffer, i)
        step = g + buffer * k.momentum if nesterov else buffer
        k.store(param - step * k.rate, k.param, i)
    return k


def _plain(name: str, type: str) -> Emitter:
    k = Emitter(name, {"param": "ptr", "grad": "ptr", "rate": type})
    with k.loop(k.start, k.stop) as i:
        k.store(k.load(type, k.param, i) - k.load(type, k.grad, i) * k.rate, k.param, i)
    return k


def _adadelta(name: str, type: str, decays: bool) -> Emitter:
    pointers = dict.fromkeys(("param", "grad", "square", "moved"), "ptr")
    k = Emitter(
        f"{name}_{int(decays)}", {**pointers, **dict.fromkeys(("sign", "decay", "rho", "rest", "eps", "rate"), type)}
    )
    with k.loop(k.start, k.stop) as i:
        param = k.load(type, k.param, i)
        g = _ascent(k, type, i, param, decays)
        square = k.load(type, k.square, i) * k.rho + g * k.rest * g
        k.store(square, k.square, i)
        moved = k.load(type, k.moved, i)
        delta = k.intrinsic("sqrt", moved + k.eps) / k.intrinsic("sqrt", square + k.eps) * g
        k.store(moved * k.rho + delta * k.rest * delta, k.moved, i)
        k.store(param - delta * k.rate, k.param, i)
    return k


def _rmsprop(name: str, type: str, decays: bool, gathers: bool, centered: bool) -> Emitter:
    """The pointers end with the buffer where it `gathers` (with momentum), and the mean of gradients if `centered`."""
    pointers = ["param", "grad", "square", *["buffer"][: int(gathers)], *["mean"][: int(centered)]]
    numbers = ("sign", "decay", "alpha", "rest", "eps", "momentum", "rate")
    k = Emitter(
        f"{name}_{int(decays)}_{int(gathers)}_{int(centered)}",
        {**dict.fromkeys(pointers, "ptr"), **dict.fromkeys(numbers, type)},
    )
    with k.loop(k.start, k.stop) as i:
        param = k.load(type, k.param, i)
        g = _ascent(k, type, i, param, decays)
        square = k.load(type, k.square, i) * k.alpha + g * k.rest * g
        k.store(square, k.square, i)
        if centered:
            mean = k.load(type, k.mean, i)
            mean = mean + (g - mean) * k.rest
            k.store(mean, k.mean, i)
            square = square - mean * mean
        below = k.intrinsic("sqrt", square) + k.eps
        if gathers:
            step = k.load(type, k.buffer, i) * k.momentum + g / below
            k.store(step, k.buffer, i)
            k.store(param - step * k.rate, k.param, i)
        else:
            k.store(param - g * k.rate / below, k.param, i)
    return k


def _adagrad(name: str, type: str, decays: bool) -> Emitter:
    pointers = dict.fromkeys(("param", "grad", "sum"), "ptr")
    k = Emitter(f"{name}_{int(decays)}", {**pointers, **dict.fromkeys(("sign", "decay", "eps", "rate"), type)})
    with k.loop(k.start, k.stop) as i:
        param = k.load(type, k.param, i)
        g = _ascent(k, type, i, param, decays)
        total = k.load(type, k.sum, i) + g * g
        k.store(total, k.sum, i)
        k.store(param - g * k.rate / (k.intrinsic("sqrt", total) + k.eps), k.param, i)
    return k


def _rows(name: str, type: str, pointers: int, numbers: int) -> Emitter:
    """update(start, stop, pointers…, numbers…) for each row of a table, which has the pointers, start and stop."""
    given = [f"n{i}" for i in range(numbers)]
    k = Emitter(f"{name}_{pointers}_{numbers}", {"update": "ptr", "table": "ptr", **dict.fromkeys(given, type)})
    with k.loop(k.start, k.stop) as row:
        first = row * (pointers + 2)
        places = [k.load("ptr", k.table, first + i) for i in range(pointers)]
        bounds = [k.load("i64", k.table, first + pointers + i) for i in range(2)]
        k.call(k.update, [*bounds, *places, *(getattr(k, each) for each in given)])
    return k


OF_PLAIN = Kernel("sgd_plain", _plain)
OF_ROWS = Kernel("optimiser_rows", _rows)
OF_ADAM = Kernel("adam", _adam)
OF_SGD = Kernel("sgd", _sgd)
OF_ADADELTA = Kernel("adadelta", _adadelta)
OF_RMSPROP = Kernel("rmsprop", _rmsprop)
OF_ADAGRAD = Kernel("adagrad", _adagrad)


DType = np.dtype[Any]
Loop = tuple[Any, tuple[float, ...]]  # and the numbers that follow its pointers


def adam_loop(
    dtype: Any, *, steps: float, lr: float, betas: tuple[float, float], eps: float, weight_decay: float,
    decoupled: bool, maximize: bool,
) -> Loop | None:  # fmt: skip
    """The loop of `optim.Adam` or `AdamW`: parameter, gradient, mean, square."""
    function = OF_ADAM.function(dtype, bool(weight_decay) and not decoupled)
    if function is None:
        return None
    beta1, beta2 = betas
    shrink = 1 - lr * weight_decay if decoupled else 1.0
    numbers = (
        -1 if maximize else 1, weight_decay, shrink, 1 - beta1, beta2, 1 - beta2,
        (1 - beta2**steps) ** 0.5, eps, lr / (1 - beta1**steps),
    )  # fmt: skip
    return function, tuple(map(float, numbers))


def sgd_loop(
    dtype: Any, *, lr: float, momentum: float, dampening: float, weight_decay: float, nesterov: bool, maximize: bool
) -> Loop | None:
    """The loop of `optim.SGD`: parameter, gradient, and with momentum the buffer."""
    if not momentum:
        function = None if weight_decay or maximize else OF_PLAIN.function(dtype)
        return None if function is None else (function, (float(lr),))
    function = OF_SGD.function(dtype, bool(weight_decay), bool(nesterov))
    if function is None:
        return None
    return function, tuple(map(float, (-1 if maximize else 1, weight_decay, momentum, 1 - dampening, lr)))


def adadelta_loop(dtype: Any, *, lr: float, rho: float, eps: float, weight_decay: float, maximize: bool) -> Loop | None:
    """The loop of `optim.Adadelta`: parameter, gradient, mean square, mean square of the steps."""
    function = OF_ADADELTA.function(dtype, bool(weight_decay))
    if function is None:
        return None
    return function, tuple(map(float, (-1 if maximize else 1, weight_decay, rho, 1 - rho, eps, lr)))


def rmsprop_loop(
    dtype: Any, *, lr: float, alpha: float, eps: float, weight_decay: float, momentum: float, centered: bool,
    maximize: bool,
) -> Loop | None:  # fmt: skip
    """The loop of `optim.RMSprop`: parameter, gradient, mean square, and what `_rmsprop` says."""
    function = OF_RMSPROP.function(dtype, bool(weight_decay), bool(momentum), bool(centered))
    if function is None:
        return None
    return function, tuple(map(float, (-1 if maximize else 1, weight_decay, alpha, 1 - alpha, eps, momentum, lr)))


def adagrad_loop(
    dtype: Any, *, steps: float, lr: float, lr_decay: float, eps: float, weight_decay: float, maximize: bool
) -> Loop | None:
    """The loop of `optim.Adagrad`: parameter, gradient, sum of squares."""
    function = OF_ADAGRAD.function(dtype, bool(weight_decay))
    if function is None:
        return None
    return function, tuple(map(float, (-1 if maximize else 1, weight_decay, eps, lr / (1 + (steps - 1) * lr_decay))))


def fit(*arrays: Array) -> bool:
    """Whether a loop can go through these, of which the first is a parameter."""
    first = arrays[0]
    if type(first) is not np.ndarray or not first.size or first.dtype not in TYPES or not flat(*arrays):
        return False
    return not any(np.may_share_memory(arrays[i], arrays[j]) for i in range(len(arrays)) for j in range(i))


def step(loop: Loop | None, *arrays: Array) -> bool:
    """Take the step of one parameter; False where the NumPy lines are to run, and nothing was done."""
    if loop is None:
        return False
    share(loop[0], arrays[0].size, _EACH, *arrays, *loop[1])
    return True


class Rows:
    """Parameters and their state, (parameter, …) each. A large one has several rows, so that threads can share it."""

    def __init__(self, arrays: Sequence[tuple[Array, ...]]) -> None:
        self.dtype = arrays[0][0].dtype
        places: list[list[int]] = []
        self.gradients: list[tuple[int, ...]] = []  # of each parameter, where in the table its gradient's address goes
        for own in arrays:
            size, wide = own[0].size, len(own) + 3
            count = max(1, size // _EACH)
            at = len(places) * wide + 1
            self.gradients.append(tuple(range(at, at + count * wide, wide)))
            pointers = [address(own[0]), 0, *map(address, own[1:])]
            places += [[*pointers, size * i // count, size * (i + 1) // count] for i in range(count)]
        self.table = np.array(places, np.int64)
        flat: Any = self.table.reshape(-1)
        self.flat = memoryview(flat)  # which takes a number in a tenth of an array's time
        self.function: Any = None  # of the step before, and its address
        self.code: int | None = None
        self.least = -(-_EACH * len(places) // max(1, sum(own[0].size for own in arrays)))

    def step(self, loop: Loop, gradients: list[int]) -> bool:
        """The step of all, with gradients at these addresses; False where there is no kernel, and nothing was done."""
        function, numbers = loop
        rows = OF_ROWS.function(self.dtype, self.table.shape[1] - 2, len(numbers))
        if rows is None:
            return False
        for places, gradient in zip(self.gradients, gradients, strict=True):
            for place in places:
                self.flat[place] = gradient
        if function is not self.function:
            self.function, self.code = function, compiler.code_of(function).address
        share(rows, len(self.table), self.least, self.code, self.table, *numbers)
        return True
