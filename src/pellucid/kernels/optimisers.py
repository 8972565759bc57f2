"""Steps of optimisers in one pass over the parameter, its gradient and what is kept of former ones, in place."""

from __future__ import annotations

import numpy as np

from pellucid.backend import Array

from .emitter import Emitter, Value
from .pool import share
from .table import TYPES, Kernel, address, flat

LEAST = 2048  # numbers: below, a call costs as much as it saves
_EACH = 1 << 14  # numbers that a thread takes at least


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


OF_ADAM = Kernel("adam", _adam)
OF_SGD = Kernel("sgd", _sgd)


def _fit(*arrays: Array) -> bool:
    first = arrays[0]
    if type(first) is not np.ndarray or first.size < LEAST or first.dtype not in TYPES or not flat(*arrays):
        return False
    return not any(np.may_share_memory(arrays[i], arrays[j]) for i in range(len(arrays)) for j in range(i))


def adam(
    param: Array, grad: Array, mean: Array, square: Array, *, steps: float, lr: float, betas: tuple[float, float],
    eps: float, weight_decay: float, decoupled: bool, maximize: bool,
) -> bool:  # fmt: skip
    """The step of `optim.Adam` or `AdamW`; False where the NumPy lines are to run, and nothing was done."""
    decays = bool(weight_decay) and not decoupled
    function = OF_ADAM.function(param.dtype, decays) if _fit(param, grad, mean, square) else None
    if function is None:
        return False
    beta1, beta2 = betas
    shrink = 1 - lr * weight_decay if decoupled else 1.0
    share(
        function, param.size, _EACH, *map(address, (param, grad, mean, square)),
        *map(float, (-1 if maximize else 1, weight_decay, shrink, 1 - beta1, beta2, 1 - beta2)),
        *map(float, ((1 - beta2**steps) ** 0.5, eps, lr / (1 - beta1**steps))),
    )  # fmt: skip
    return True


def sgd(
    param: Array, grad: Array, buffer: Array, *, lr: float, momentum: float, dampening: float, weight_decay: float,
    nesterov: bool, maximize: bool,
) -> bool:  # fmt: skip
    """The step of `optim.SGD` with momentum; False where the NumPy lines are to run, and nothing was done."""
    function = None
    if _fit(param, grad, buffer):
        function = OF_SGD.function(param.dtype, bool(weight_decay), bool(nesterov))
    if function is None:
        return False
    share(
        function, param.size, _EACH, *map(address, (param, grad, buffer)),
        *map(float, (-1 if maximize else 1, weight_decay, momentum, 1 - dampening, lr)),
    )  # fmt: skip
    return True
