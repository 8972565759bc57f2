"""The first tensor in which two models part: weights carried over, run in lockstep, everything compared."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pellucid.check.parity.functions import JAX, JAXSide, NumPy, NumPySide
from pellucid.check.parity.lockstep import Lockstep
from pellucid.check.parity.modules import ModuleSide
from pellucid.check.parity.report import ParityReport
from pellucid.check.parity.sides import Side, batches_of
from pellucid.nn import Module
from pellucid.random import undrawn


def parity(
    model: Any,
    other: Any,
    batches: Iterable[Any],
    *,
    steps: int | None = None,
    loss: Any = None,
    optimizer: Any = None,
    lr: float = 0.1,
    names: Mapping[str, str] | None = None,
    transpose: Iterable[str] | None = None,
    training: bool | None = None,
    seed: int = 0,
) -> ParityReport:
    """Train two models in lockstep from the same weights, and name the first tensor that differs beyond rounding.

    Each layer's inputs and output, the loss, the gradient at each layer's output and of each parameter, each update,
    each parameter and buffer after it, in this order, at each step.

    Args:
        model, other: a Module of pellucid or of PyTorch, a function of JAX `f(params, *inputs)` or `check.JAX(f,
            params)`, or `check.NumPy(loss, grads, params)`. The weights of the first are carried over to the second;
            both are copied and stay as they are.
        batches: pairs (inputs, target), or tuples (first input, second input, …, target), of any framework's tensors.
        steps: how many steps to compare; by default one for each batch. Batches come round again.
        loss: "cross_entropy", "mse" or another name of `nn.functional`; a function of (output, target); or a pair of
            these, for the first and for the second side. A side in NumPy has its own.
        optimizer: a pair, one for each side. For a Module: an optimiser of its parameters, or a function that makes
            one of a list of parameters; for a function: `update(params, gradients, state)`, which gives the new params
            (or changes them in place), with `state` a dict that is empty at first, or one of optax. By default plain
            gradient descent p ← p − lr·g.
        lr: of plain gradient descent.
        names: `{name in the first: name in the second}` of parameters, buffers or layers, where they differ.
        transpose: names (of the first) whose axes are reversed in the second, or `{name: axes}` as for `np.transpose`.
        training: None: each module, and each layer in it, is in the mode in which it was given (a frozen batch norm
            stays frozen). True or False: all are in training mode (dropout, batch statistics), or in evaluation mode.
        seed: at step n each side's random numbers start from seed + n; PyTorch and pellucid then draw the same.

    What rounding explains is measured: each side is run in float32 and in float64, and what float32 did to a tensor is
    how far it is from its float64 twin. See `parity.judge`.

    >>> import numpy as np
    >>> from pellucid import nn
    >>> x, t = np.random.default_rng(0).normal(size=(8, 3)), np.arange(8) % 2
    >>> ours = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Linear(4, 2))
    >>> theirs = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4, eps=1e-3), nn.Linear(4, 2))
    >>> report = parity(ours, theirs, [(x, t)], steps=3, loss="cross_entropy")
    >>> report.status, report.first.step, str(report.first)
    ('different', 1, 'the output of layer 1')
    >>> parity(ours, ours, [(x, t)], steps=3, loss="cross_entropy").status
    'equal'

    Raises:
        TypeError, ValueError: what was given is no model, no batch, no loss; or the models have not the same
            parameters: the message says which, and what to write.
    """
    found = batches_of(batches, steps)
    losses, optimizers = _pair("loss", loss), _pair("optimizer", optimizer)
    if optimizer is not None and not isinstance(optimizer, list | tuple):
        raise TypeError("optimizer is a pair, one for each side: optimizer=(ours, theirs).")

    def sides(double: bool) -> list[Side]:
        given = zip((model, other), losses, optimizers, strict=True)
        return [_side(side, criterion, opt, lr, double, training) for side, criterion, opt in given]

    with _random_state_kept():
        run = Lockstep(sides, names, transpose, seed)
        for step, batch in enumerate(found, 1):
            run.step(step, batch)
        return run.report()


def _side(model: Any, loss: Any, optimizer: Any, lr: float, double: bool, training: bool | None) -> Side:
    if isinstance(model, NumPy):
        return NumPySide(model, loss, optimizer, lr, double, training)
    if isinstance(model, JAX):
        kind: Any = JAXSide
    elif isinstance(model, Module) or _is_torch(model):
        kind = ModuleSide
    elif callable(model) or hasattr(model, "apply"):
        kind, model = JAXSide, JAX(model)
    else:
        raise TypeError(
            f"a model is a Module of pellucid or PyTorch, a function of JAX f(params, *inputs), or "
            f"check.NumPy(loss, grads, params); received {type(model).__name__}."
        )
    if loss is None:
        raise TypeError("parity needs the loss: write loss='cross_entropy', loss='mse', or loss=(ours, theirs).")
    return kind(model, loss, optimizer, lr, double, training)


def _is_torch(model: Any) -> bool:
    return any(base.__module__.split(".")[0] == "torch" and base.__name__ == "Module" for base in type(model).__mro__)


def _pair(name: str, value: Any) -> tuple[Any, Any]:
    if not isinstance(value, list | tuple):
        return value, value
    if len(value) != 2:
        raise TypeError(f"{name} has {len(value)} entries; write {name}=(ours, theirs).")
    return value[0], value[1]


@contextlib.contextmanager
def _random_state_kept() -> Iterator[None]:
    """Whoever draws random numbers after us draws what would have come anyway."""
    with undrawn():
        yield
