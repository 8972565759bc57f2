"""The optimisers' updates in a compiled step: one loop for each parameter, hyperparameters read anew at each run.

A learning rate that a schedule changes needs no new trace: what the optimiser's group says now is what is used. The
loops are those that eager mode runs for large parameters (see `kernels.optimisers`); here small ones have them, too,
and a plan knows where everything is. SGD without momentum, which NumPy does in two passes, is one loop here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.backend import Array
from pellucid.kernels import compiler, optimisers
from pellucid.kernels.emitter import Emitter
from pellucid.kernels.pool import share
from pellucid.kernels.table import TYPES, address

from .graph import Node, Value

_EACH = 1 << 14  # numbers that a thread takes at least


class Owner:
    """The group of an optimiser that a parameter is in: where the attributes of its update come from."""

    def __init__(self, optimizer: Any, group: dict[str, Any]) -> None:
        self.optimizer, self.group = optimizer, group

    def options(self) -> dict[str, Any]:
        """The hyperparameters as they are now."""
        return self.optimizer.options(self.group)


class Group:
    """The updates of one group: `refresh` takes the hyperparameters that it has now, if they are others."""

    def __init__(self, owner: Owner) -> None:
        self.owner = owner
        self.nodes: list[Node] = []
        self.known: dict[str, Any] = {}

    def refresh(self) -> None:
        """Take the hyperparameters from the optimiser."""
        options = self.owner.options()
        if options != self.known:
            self.known = options
            for node in self.nodes:
                node.kwargs.update(options)


def groups(nodes: list[Node]) -> list[Group]:
    """The groups whose parameters the nodes update."""
    found: dict[int, Group] = {}
    for node in nodes:
        if node.live is not None:
            found.setdefault(id(node.live.group), Group(node.live)).nodes.append(node)
    return list(found.values())


class Update:
    """One update: `run(gradient)` overwrites the parameter and its state."""

    def __init__(self, node: Node) -> None:
        self.node = node


class Native(Update):
    """An update as one loop: called with the address of the gradient."""

    def __init__(self, node: Node, function: Callable[..., None], arrays: list[Array]) -> None:
        super().__init__(node)
        self.function, self.arrays = function, arrays
        self.size = arrays[0].size
        self.addresses = list(map(address, arrays))

    def run(self, gradient: int) -> None:
        """Overwrite the parameter and its state."""
        first, *others = self.addresses
        numbers = self.numbers(self.node.kwargs)
        if self.size >= 2 * _EACH:
            share(self.function, self.size, _EACH, first, gradient, *others, *numbers)
        else:
            self.function(0, self.size, first, gradient, *others, *numbers)

    def numbers(self, options: dict[str, Any]) -> tuple[float, ...]:
        """What the loop wants of the hyperparameters."""
        raise NotImplementedError


class PlainSgd(Native):
    """param - lr · grad."""

    def numbers(self, options: dict[str, Any]) -> tuple[float, ...]:
        return (float(options["lr"]),)


class Sgd(Native):
    """With a momentum buffer."""

    def numbers(self, options: dict[str, Any]) -> tuple[float, ...]:
        sign = -1.0 if options["maximize"] else 1.0
        rest = 1.0 - options["dampening"]
        return sign, float(options["weight_decay"]), float(options["momentum"]), rest, float(options["lr"])


class Adam(Native):
    """Adam and AdamW; the count of steps is an array of the optimiser's state."""

    def __init__(self, node: Node, function: Callable[..., None], arrays: list[Array], steps: Array) -> None:
        super().__init__(node, function, arrays)
        self.steps = steps

    def numbers(self, options: dict[str, Any]) -> tuple[float, ...]:
        self.steps += 1
        steps, lr, decay = float(self.steps), options["lr"], options["weight_decay"]
        beta1, beta2 = options["betas"]
        shrink = 1 - lr * decay if options["decoupled_weight_decay"] else 1.0
        sign = -1.0 if options["maximize"] else 1.0
        root = (1 - beta2**steps) ** 0.5
        rate = lr / (1 - beta1**steps)
        return sign, float(decay), shrink, 1 - beta1, float(beta2), 1 - beta2, root, float(options["eps"]), rate


def _emit_plain(type: str) -> Emitter:
    k = Emitter(f"sgd_plain_{type}", {"param": "ptr", "grad": "ptr", "lr": type})
    with k.loop(k.start, k.stop) as i:
        k.store(k.load(type, k.param, i) - k.load(type, k.grad, i) * k.lr, k.param, i)
    return k


_plain: dict[Any, Any] = {}


def _of_plain(dtype: Any) -> Callable[..., None] | None:
    if dtype not in _plain:
        _plain[dtype] = compiler.function(_emit_plain(TYPES[dtype]))
    return _plain[dtype]


def native(node: Node, array_of: Callable[[Value], Array | None]) -> Native | None:
    """The loop of an update, or None where it runs as eager mode computes it."""
    options = node.kwargs
    grad = node.args[1]
    if node.live is None or options.get("l1") or not isinstance(grad, Value) or not grad.dense:
        return None
    held = [None if value is None else array_of(value) for value in (node.args[0], *node.args[2:])]
    arrays = [array for array in held if array is not None]
    param = arrays[0]
    if param.dtype not in TYPES or grad.dtype != param.dtype or grad.shape != param.shape:
        return None
    if any(
        type(array) is not np.ndarray or not array.flags.c_contiguous or not array.flags.aligned for array in arrays
    ):
        return None
    if any(np.may_share_memory(a, b) for i, a in enumerate(arrays) for b in arrays[:i]):
        return None
    return _sgd(node, held) if node.name == "sgd_" else _adam(node, held)


def _sgd(node: Node, held: list[Array | None]) -> Native | None:
    param, buffer = held
    options = node.kwargs
    if param is None:
        return None
    if buffer is None:
        if options["maximize"] or options["weight_decay"]:
            return None
        function = _of_plain(param.dtype)
        return None if function is None else PlainSgd(node, function, [param])
    function = optimisers.OF_SGD.function(param.dtype, bool(options["weight_decay"]), bool(options["nesterov"]))
    return None if function is None else Sgd(node, function, [param, buffer])


def _adam(node: Node, held: list[Array | None]) -> Native | None:
    param, steps, mean, square, largest = held
    if largest is not None or param is None or steps is None or mean is None or square is None:
        return None
    decays = bool(node.kwargs["weight_decay"]) and not node.kwargs["decoupled_weight_decay"]
    function = optimisers.OF_ADAM.function(param.dtype, decays)
    return None if function is None else Adam(node, function, [param, mean, square], steps)


NATIVE = frozenset(("sgd_", "adam_"))
