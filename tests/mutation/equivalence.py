"""Mutants that are no mistake: the same numbers and the same derivatives on everything that a rule was called with."""

import functools
from typing import Any

import numpy as np

import pellucid
from pellucid.core import Tensor
from pellucid.reverse.vocabulary import LIFTED
from tests.mutation.mutants import Mutant, Rule, broken

MOST = 120  # calls kept of one rule, beyond those of a new shape


class Calls:
    """What a rule is called with while the tests of its op run."""

    def __init__(self, op: str, where: str, rule: Rule) -> None:
        self.op, self.where, self.rule = op, where, rule
        self.made: list[tuple[Any, ...]] = []
        self.seen: set[Any] = set()

    def recording(self) -> broken:
        """For the length of a `with` block, the op notes what its rule is given."""

        @functools.wraps(self.rule)
        def noted(m: Any, *given: Any) -> Any:
            sort = tuple(_sort(value) for value in given)
            if len(self.made) < MOST or sort not in self.seen:
                self.seen.add(sort)
                self.made.append(tuple(_copy(value) for value in given))
            return self.rule(m, *given)

        return broken(self.op, self.where, noted)

    def results(self) -> list[Any]:
        """What the rule answers: (values, derivatives by each floating argument) of each call."""
        return [answer(self.rule, given) for given in self.made]


def same(mutant: Mutant, calls: Calls, expected: list[Any]) -> bool:
    """Whether a mutant answers each call as the rule does, and so do its derivatives."""
    for given, (value, slopes) in zip(calls.made, expected, strict=True):
        other, others = answer(mutant.rule, given)
        if not _close(value, other) or not all(map(_close, slopes, others)):
            return False
    return True


def reason(mutant: Mutant, calls: Calls, expected: list[Any]) -> str | None:
    """Why a mutant that is the same is no mistake, where that can be told from the answers."""
    values = [value for value, _ in expected if isinstance(value, np.ndarray)]
    if not values:
        return "there is no gradient" if calls.made else None  # a rule that no sample calls is not tested
    if not any(np.nan_to_num(value).any() for value in values):
        return "the gradient is zero everywhere"
    if mutant.what.endswith("cut off"):
        return "the rule does not depend on it, or through comparisons and whole numbers alone"
    if mutant.what == "transposed" and all(value.ndim < 2 or 1 in value.shape[-2:] for value in values):
        return "the gradient has fewer than two dimensions, or is a row or a column"
    if mutant.what == "shifted" and all(not value.ndim or value.shape[-1] == 1 for value in values):
        return "the gradient has length 1 along its last dimension, or none"
    return None


def _copy(value: Any) -> Any:
    if isinstance(value, Tensor):
        value = value.detach().numpy()
    if isinstance(value, list | tuple):
        return type(value)(map(_copy, value)) if type(value) in (list, tuple) else value
    return value.copy() if isinstance(value, np.ndarray) else value


def _sort(value: Any) -> Any:
    """What kind of call: shapes and attributes, not numbers."""
    shape = getattr(value, "shape", None)
    return (type(value).__name__, tuple(shape)) if shape is not None else repr(value)


def answer(rule: Rule, given: tuple[Any, ...]) -> tuple[Any, list[Any]]:
    """What the rule says: its value and derivatives; or the class of the exception that it raises."""
    try:
        return _derivatives(rule, given)
    except Exception as refused:  # a broken rule may raise anything
        return type(refused), []


def _derivatives(rule: Rule, given: tuple[Any, ...]) -> tuple[Any, list[Any]]:
    """The rule's value, and the gradient of a weighted sum of it by each floating array that it was given."""
    leaves: list[Tensor] = []

    def lifted(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            tensor = pellucid.tensor(value)
            if value.dtype.kind == "f":
                leaves.append(tensor.requires_grad_())
            return tensor
        if type(value) in (list, tuple):
            return type(value)(map(lifted, value))
        return value

    args = [lifted(argument) for argument in given]
    with np.errstate(all="ignore"):
        out = rule(LIFTED, *args)
        if out is None:
            return None, []
        value = out.detach().numpy()
        if not out.requires_grad or not leaves:
            return value, [np.zeros(tuple(leaf.shape)) for leaf in leaves]
        weights = np.random.default_rng(5).uniform(0.5, 1.5, value.shape)
        found = pellucid.autograd.grad((out * pellucid.tensor(weights)).sum(), leaves, allow_unused=True)
    zeros = [np.zeros(tuple(leaf.shape)) for leaf in leaves]
    return value, [
        zero if gradient is None else gradient.detach().numpy() for gradient, zero in zip(found, zeros, strict=True)
    ]


def _close(first: Any, other: Any) -> bool:
    if not isinstance(first, np.ndarray) or not isinstance(other, np.ndarray):
        return first is other
    return first.shape == other.shape and np.allclose(first, other, rtol=1e-9, atol=1e-12, equal_nan=True)
