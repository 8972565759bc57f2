"""What may be changed in a fork of a program while it runs, by hooks in what it calls, to see if it learns better."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.core import Tensor, no_grad
from pellucid.nn.functional import log_softmax, relu, tanh
from pellucid.ops.choice import clamp

from .criterion import BINARY, QUOTIENTS
from .rows import inside, numbers

PRODUCTS = ("linear", "matmul", "mm", "addmm")


class Treatment:
    """One change. Each hook leaves the program as it is; a treatment overrides those that it needs.

    Attributes:
        of_function: what a network computes is changed, or what its output is compared with, in passes that train: the
            evaluations of the program are left as they were, and say nothing any more.
    """

    of_function = False

    def module(self, module: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments with which the outermost network is called in a pass that trains."""
        return args

    def op(self, key: tuple[str, int], args: Any, kwargs: Any) -> tuple[Any, Any]:
        """The arguments and attributes of an op in such a pass."""
        return args, kwargs

    def result(self, key: tuple[str, int], args: Any, result: Any) -> Any:
        """The result of an op in such a pass."""
        return result

    def before_backward(self, parameters: list[Any]) -> None:
        """A backward is about to run; `parameters` are those of the optimisers and the networks."""

    def before_step(self, optimizer: Any, parameters: list[Any]) -> None:
        """An update is about to be made."""

    def after_step(self, optimizer: Any) -> None:
        """An update was made."""

    def loader(self, options: dict[str, Any]) -> None:
        """A DataLoader is about to be made with these options."""

    def criterion(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """The options with which a loss is called."""
        return kwargs

    def clips(self) -> bool:
        """Whether gradients are clipped where the program says so."""
        return True

    def detaches(self) -> bool:
        """Whether detach() within a network cuts the graph."""
        return True

    def after_backward(self, parameters: list[Any], optimizers: int) -> None:
        """A backward has run, in a program with that many optimisers."""


@dataclass
class LearningRate(Treatment):
    """The learning rate times a factor, in each step, whatever a scheduler does."""

    factor: float

    def before_step(self, optimizer: Any, parameters: list[Any]) -> None:
        for group in optimizer.param_groups:
            group["lr"] = group["lr"] * self.factor

    def after_step(self, optimizer: Any) -> None:
        for group in optimizer.param_groups:
            group["lr"] = group["lr"] / self.factor

    def after_backward(self, parameters: list[Any], optimizers: int) -> None:
        if not optimizers:  # the program makes its updates by itself
            _scale(parameters, self.factor)


@dataclass
class ConstantRate(Treatment):
    """The learning rate as it was made, or this one, whatever a scheduler does."""

    rate: float

    def before_step(self, optimizer: Any, parameters: list[Any]) -> None:
        self.held = [group["lr"] for group in optimizer.param_groups]
        for group in optimizer.param_groups:
            group["lr"] = self.rate

    def after_step(self, optimizer: Any) -> None:
        for group, rate in zip(optimizer.param_groups, self.held, strict=True):
            group["lr"] = rate


def _scale(parameters: list[Any], factor: float) -> None:
    for parameter in parameters:
        if parameter.grad is not None:
            with no_grad():
                parameter.grad = parameter.grad * factor


@dataclass
class NoClip(Treatment):
    """Gradients are not clipped."""

    def clips(self) -> bool:
        return False


@dataclass
class Attached(Treatment):
    """Within a network, detach() cuts nothing."""

    def detaches(self) -> bool:
        return False


@dataclass
class Clip(Treatment):
    """All gradients together are clipped to a norm."""

    norm: float = 1.0

    def before_step(self, optimizer: Any, parameters: list[Any]) -> None:
        held = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        size = float(np.sqrt(sum(float((p.grad.detach().numpy().astype(float) ** 2).sum()) for p in held)))
        if not np.isfinite(size):
            _scale(held, 0.0)
        elif size > self.norm:
            _scale(held, self.norm / size)


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
        target = args[1].detach().numpy()
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
class Shrink(Treatment):
    """After each step all weights are a little smaller: weight decay, apart from the optimiser's."""

    share: float = 2e-3

    def after_step(self, optimizer: Any) -> None:
        with no_grad():
            for group in optimizer.param_groups:
                for parameter in group["params"]:
                    if parameter.dim() > 1:
                        parameter.mul_(1 - self.share)


@dataclass
class NoWeightDecay(Treatment):
    """Without weight decay."""

    def before_step(self, optimizer: Any, parameters: list[Any]) -> None:
        self.held = [group.get("weight_decay", 0) for group in optimizer.param_groups]
        for group in optimizer.param_groups:
            group["weight_decay"] = 0.0

    def after_step(self, optimizer: Any) -> None:
        for group, value in zip(optimizer.param_groups, self.held, strict=True):
            group["weight_decay"] = value


@dataclass
class ZeroGradients(Treatment):
    """The gradients are forgotten after each step; without optimisers, before each backward."""

    stepped: bool = False

    def after_step(self, optimizer: Any) -> None:
        optimizer.zero_grad()

    def before_backward(self, parameters: list[Any]) -> None:
        if not self.stepped:  # a program that makes its updates by itself
            for parameter in parameters:
                parameter.grad = None

    def before_step(self, optimizer: Any, parameters: list[Any]) -> None:
        self.stepped = True


@dataclass
class Descend(Treatment):
    """Each gradient with its sign turned."""

    def before_step(self, optimizer: Any, parameters: list[Any]) -> None:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    with no_grad():
                        parameter.grad = -parameter.grad


@dataclass
class ScaleGradients(Treatment):
    """Each gradient times a factor."""

    factor: float

    def before_step(self, optimizer: Any, parameters: list[Any]) -> None:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    with no_grad():
                        parameter.grad = parameter.grad * self.factor

    def after_step(self, optimizer: Any) -> None:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    with no_grad():
                        parameter.grad = parameter.grad / self.factor


@dataclass
class OptimizeAll(Treatment):
    """What the networks have and no optimiser knows joins the first optimiser; what is frozen is trained."""

    def module(self, module: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
        for parameter in module.parameters():
            parameter.requires_grad_(True)
        return args

    def before_step(self, optimizer: Any, parameters: list[Any]) -> None:
        known = {id(p) for group in optimizer.param_groups for p in group["params"]}
        new = [p for p in parameters if id(p) not in known and p.grad is not None]
        if new:
            optimizer.add_param_group({"params": new})


@dataclass
class TrainStrangers(Treatment):
    """What no optimiser knows gets updates of its own, as of Adam at a usual rate, beside those of the program."""

    rate: float = 3e-3
    count: int = 0

    def __post_init__(self) -> None:
        self.moments: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def before_step(self, optimizer: Any, parameters: list[Any]) -> None:
        self.count += 1
        known = {id(p) for group in optimizer.param_groups for p in group["params"]}
        for parameter in parameters:
            if id(parameter) in known or parameter.grad is None:
                continue
            slope = parameter.grad.detach().numpy().astype(float)
            first, second = self.moments.get(id(parameter), (np.zeros_like(slope), np.zeros_like(slope)))
            first, second = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope**2
            self.moments[id(parameter)] = first, second
            size = np.sqrt(second / (1 - 0.999**self.count)) + 1e-8
            step = self.rate * first / (1 - 0.9**self.count) / size
            with no_grad():
                parameter.sub_(parameter.new_tensor(step.astype(parameter.detach().numpy().dtype)))
            parameter.grad = None


@dataclass
class Bypass(Treatment):
    """An op hands on what it was given."""

    of_function = True

    key: tuple[str, int]

    def result(self, key: tuple[str, int], args: Any, result: Any) -> Any:
        return args[0] if key == self.key else result


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


@dataclass
class Rectify(Treatment):
    """A rectifier after the ops with weights, but for the last."""

    of_function = True

    keys: frozenset[tuple[str, int]]

    def result(self, key: tuple[str, int], args: Any, result: Any) -> Any:
        return relu(result) if key in self.keys else result


@dataclass
class Replace(Treatment):
    """Activations of one kind by a leaky rectifier, whose slope is nowhere 0, or by tanh, which is bounded."""

    of_function = True

    names: frozenset[str]
    keys: frozenset[tuple[str, int]]
    bounded: bool = False

    def result(self, key: tuple[str, int], args: Any, result: Any) -> Any:
        if key[0] not in self.names or key not in self.keys:
            return result
        return tanh(args[0]) if self.bounded else relu(args[0]) * 0.9 + args[0] * 0.1


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
        array = ((x.detach().numpy() - self.mean) / self.std).astype(x.detach().numpy().dtype)
        return x.new_tensor(array)


@dataclass
class FreshWeights(Treatment):
    """Before the first pass, weights are drawn anew, uniform within 1 / √fan_in, and biases are 0."""

    done: bool = False

    def module(self, module: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
        if not self.done:
            self.done = True
            draw = np.random.default_rng(0)
            with no_grad():
                for name, parameter in module.named_parameters():
                    if parameter.dim() < 2:
                        if name.endswith("bias"):
                            parameter.zero_()
                        continue
                    bound = 1.7 / np.sqrt(max(int(np.prod(parameter.shape[1:])), 1))
                    parameter.copy_(parameter.new_tensor(draw.uniform(-bound, bound, tuple(parameter.shape))))
        return args


@dataclass
class Contract(Treatment):
    """Before the first pass, square weights are divided by their largest singular value, where that is above 1."""

    done: bool = False

    def module(self, module: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
        if not self.done:
            self.done = True
            with no_grad():
                for parameter in module.parameters():
                    if parameter.dim() == 2 and parameter.shape[0] == parameter.shape[1]:
                        gain = float(np.linalg.norm(parameter.detach().numpy().astype(float), 2))
                        if gain > 1:
                            parameter.copy_(parameter / gain)
        return args


@dataclass
class TrainMode(Treatment):
    """train() before each pass that trains."""

    def module(self, module: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
        module.train()
        return args


@dataclass
class LessDropout(Treatment):
    """Dropout with another probability."""

    p: float = 0.1

    def op(self, key: tuple[str, int], args: Any, kwargs: Any) -> tuple[Any, Any]:
        return (args, {**kwargs, "p": self.p}) if key[0] == "dropout_mask" else (args, kwargs)


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
