"""Changes of a network: its first weights, its activations, its mode, and where its graph is cut."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.core import no_grad
from pellucid.nn.functional import relu, tanh
from pellucid.ops.scan import cummax

from ..arrays import array_of
from .treatment import Treatment


@dataclass
class Attached(Treatment):
    """Within a network, neither detach() nor no_grad() cuts anything."""

    def detaches(self) -> bool:
        return False


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
class FreshWeights(Treatment):
    """Before the first pass, weights are drawn anew, uniform within 1 / √fan_in, and biases are 0.

    Those of a program without modules are known after its first backward, whose gradients are forgotten; they are
    multiplied from the right, `x @ w`.
    """

    done: bool = False

    def after_backward(self, parameters: list[Any], optimizers: int) -> None:
        if self.done or not parameters:
            return
        self.done = True
        draw = np.random.default_rng(0)
        with no_grad():
            for parameter in parameters:
                if parameter.dim() == 2:
                    bound = 1.7 / np.sqrt(max(parameter.shape[0], 1))
                    parameter.copy_(parameter.new_tensor(draw.uniform(-bound, bound, tuple(parameter.shape))))
                elif parameter.dim() < 2:
                    parameter.zero_()
                if parameter.grad is not None:
                    parameter.grad = parameter.grad * 0

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
                        gain = float(np.linalg.norm(array_of(parameter).astype(float), 2))
                        if gain > 1:
                            parameter.copy_(parameter / gain)
        return args


@dataclass
class Orthogonal(Treatment):
    """Before the first pass, square weights are drawn as a turn, which keeps the length of what it turns."""

    names: frozenset[str]
    done: bool = False

    def module(self, module: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
        draw = np.random.default_rng(0)
        with no_grad():
            for name, parameter in [] if self.done else module.named_parameters():
                if name in self.names:
                    turn = np.linalg.qr(draw.normal(size=tuple(parameter.shape)))[0]
                    parameter.copy_(parameter.new_tensor(turn.astype(array_of(parameter).dtype)))
        self.done = True
        return args


@dataclass
class Remember(Treatment):
    """The states of a recurrence are the largest that each unit had until then, so that what came early is not lost."""

    of_function = True

    keys: frozenset[tuple[str, int]]

    def result(self, key: tuple[str, int], args: Any, result: Any) -> Any:
        return cummax(result, 0)[0] if key in self.keys else result


@dataclass
class BatchFirst(Treatment):
    """Recurrences and attention take their first axis for that of the batch."""

    of_function = True

    def module(self, module: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
        for layer in module.modules():
            if getattr(layer, "batch_first", True) is False:
                layer.batch_first = True
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
