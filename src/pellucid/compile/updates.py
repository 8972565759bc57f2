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
from pellucid.core import Tensor
from pellucid.kernels import compiler, optimisers
from pellucid.kernels.calling import address
from pellucid.kernels.emitter import Emitter
from pellucid.kernels.pool import get_num_threads, share
from pellucid.kernels.table import TYPES

from .graph import Node, Value
from .guards import Conditions
from .segment import Call, Later, kernel

_EACH = 1 << 16  # numbers that a thread takes at least


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
        self.updates: list[Rates] = []
        self._same: Callable[[], bool] = lambda: False

    def refresh(self) -> None:
        """Take the hyperparameters from the optimiser."""
        if self._same():
            return
        conditions, group = Conditions(), self.owner.group
        options = self.owner.options()
        for name, value in group.items():
            if name != "params":
                conditions.entry(group, name, value, absent=False)
        if not any(isinstance(value, Tensor) for value in group.values()):  # its number may change in place
            self._same = conditions.function()
        for node in self.nodes:
            node.kwargs.update(options)
        for update in self.updates:
            update.refresh()


def groups(nodes: list[Node]) -> list[Group]:
    """The groups whose parameters the nodes update."""
    found: dict[int, Group] = {}
    for node in nodes:
        if node.live is not None:
            found.setdefault(id(node.live.group), Group(node.live)).nodes.append(node)
    return list(found.values())


class Rates:
    """The numbers of an update that come from the hyperparameters, and where in tables they are."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.places: list[tuple[Any, int, int]] = []  # (table, place, which number)

    def later(self, which: int) -> Later:
        """The number as an argument of a call."""
        return Later(lambda table, place: self.places.append((table, place, which)))

    def refresh(self) -> None:
        """Put the numbers of now into the tables."""
        numbers = self.numbers(self.node.kwargs)
        for table, place, which in self.places:
            table[place] = numbers[which]

    def numbers(self, options: dict[str, Any]) -> tuple[float, ...]:
        """Those that the loop wants; of plain SGD the rate alone."""
        return (float(options["lr"]),)

    def now(self) -> tuple[float, ...]:
        """The numbers of this run."""
        return self.numbers(self.node.kwargs)


class Descending(Rates):
    """The rate of a product that is added to a weight, as BLAS wants it."""

    def numbers(self, options: dict[str, Any]) -> tuple[float, ...]:
        return (-float(options["lr"]),)


class Native(Rates):
    """An update as one loop."""

    def __init__(self, node: Node, function: Any, arrays: list[Array]) -> None:
        super().__init__(node)
        self.function, self.arrays = function, arrays
        self.size = arrays[0].size
        self.addresses = list(map(address, arrays))

    def calls(self, gradient: Any) -> list[Call]:
        """What overwrites the parameter and its state, with the address of the gradient."""
        first, *others = self.addresses
        numbers = [self.later(i) for i in range(len(compiler.code_of(self.function).types) - 1 - len(self.arrays))]
        return [kernel(self.node.name, self.function, 0, self.size, first, gradient, *others, *numbers)]

    @property
    def large(self) -> bool:
        """Whether threads are to share it."""
        return self.size >= 2 * _EACH and get_num_threads() > 1

    def run(self, gradient: int) -> None:
        """Overwrite the parameter and its state, on several threads."""
        first, *others = self.addresses
        share(self.function, self.size, _EACH, first, gradient, *others, *self.now())


class Sgd(Native):
    """With a momentum buffer."""

    def numbers(self, options: dict[str, Any]) -> tuple[float, ...]:
        sign = -1.0 if options["maximize"] else 1.0
        rest = 1.0 - options["dampening"]
        return sign, float(options["weight_decay"]), float(options["momentum"]), rest, float(options["lr"])


_ROOT, _RATE = 6, 8  # of Adam's numbers: those that depend on how many steps there were


class Adam(Native):
    """Adam and AdamW; the count of steps is an array of the optimiser's state, and a kernel of its own counts."""

    def __init__(
        self, node: Node, function: Callable[..., None], count: Callable[..., None], arrays: list[Array], steps: Array
    ) -> None:
        super().__init__(node, function, arrays)
        self.count, self.steps = count, steps

    def calls(self, gradient: Any) -> list[Call]:
        (loop,) = super().calls(gradient)
        pointers: list[tuple[Any, int]] = []
        arguments = list(loop.arguments)
        first = 3 + len(self.arrays)

        def linked(which: int) -> Later:  # where the counting kernel puts its number: into the table, for the loop
            return Later(lambda table, place: _link(pointers[which], table, place))

        arguments[first + _ROOT], arguments[first + _RATE] = linked(0), linked(1)
        wanted = [Later(lambda table, place: pointers.append((table, place))) for _ in range(2)]
        numbers = [self.later(9 + i) for i in range(3)]
        count = kernel("count", self.count, 0, 1, address(self.steps), *wanted, *numbers)
        return [count, loop._replace(arguments=tuple(arguments))]

    def numbers(self, options: dict[str, Any]) -> tuple[float, ...]:
        lr, decay = float(options["lr"]), float(options["weight_decay"])
        beta1, beta2 = options["betas"]
        shrink = 1 - lr * decay if options["decoupled_weight_decay"] else 1.0
        sign = -1.0 if options["maximize"] else 1.0
        loop = sign, decay, shrink, 1 - beta1, float(beta2), 1 - beta2, 0.0, float(options["eps"]), 0.0
        return *loop, lr, float(beta1), float(beta2)

    def now(self) -> tuple[float, ...]:
        self.steps += 1
        *loop, lr, beta1, beta2 = self.numbers(self.node.kwargs)
        steps = float(self.steps)
        loop[_ROOT], loop[_RATE] = (1 - beta2**steps) ** 0.5, lr / (1 - beta1**steps)
        return tuple(loop)


def _link(pointer: tuple[Any, int], table: Any, place: int) -> None:
    """Have an entry of a table be the address of another."""
    pointer[0][pointer[1]] = address(table) + 8 * place


def _count(type: str) -> Emitter:
    """steps += 1; root = √(1 - beta2^steps); rate = lr / (1 - beta1^steps)."""
    pointers = dict.fromkeys(("steps", "root", "rate"), "ptr")
    k = Emitter(f"adam_count_{type}", {**pointers, **dict.fromkeys(("lr", "beta1", "beta2"), "double")})
    k.store(k.load(type, k.steps) + 1.0, k.steps)
    steps = k.convert(k.load(type, k.steps), "double")
    k.store(k.intrinsic("sqrt", 1.0 - k.intrinsic("pow", k.beta2, steps)), k.root)
    k.store(k.lr / (1.0 - k.intrinsic("pow", k.beta1, steps)), k.rate)
    return k


_counts: dict[Any, Any] = {}


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
        function = optimisers.OF_PLAIN.function(param.dtype)
        return None if function is None else Native(node, function, [param])
    function = optimisers.OF_SGD.function(param.dtype, bool(options["weight_decay"]), bool(options["nesterov"]))
    return None if function is None else Sgd(node, function, [param, buffer])


def _adam(node: Node, held: list[Array | None]) -> Native | None:
    param, steps, mean, square, largest = held
    if largest is not None or param is None or steps is None or mean is None or square is None:
        return None
    decays = bool(node.kwargs["weight_decay"]) and not node.kwargs["decoupled_weight_decay"]
    function = optimisers.OF_ADAM.function(param.dtype, decays)
    if function is None or steps.dtype not in TYPES or steps.size != 1:
        return None
    if steps.dtype not in _counts:
        _counts[steps.dtype] = compiler.function(_count(TYPES[steps.dtype]))
    count = _counts[steps.dtype]
    return None if count is None else Adam(node, function, count, [param, mean, square], steps)


NATIVE = frozenset(("sgd_", "adam_"))
