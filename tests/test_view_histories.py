"""A view after its memory was changed: its history, or the refusal to use it, by PyTorch's rules.

Each case makes a view and changes what it is a view of; then each use of the view must give the same answer in both
libraries, or the same class of error. The uses are tried one after the other, as a program would.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch

import pellucid

USES: dict[str, Callable[[Any, Any], Any]] = {
    "multiply": lambda T, v: (v * 2).requires_grad,
    "grad_fn": lambda T, v: None if v.grad_fn is None else v.grad_fn.name(),
    "requires_grad": lambda T, v: v.requires_grad,
    "is_leaf": lambda T, v: v.is_leaf,
    "compare": lambda T, v: (v == 2).requires_grad,
    "print": lambda T, v: repr(v),
    "change under no_grad": lambda T, v: under_no_grad(T, lambda: v.mul_(1).sum().item()),
    "view": lambda T, v: v[:1].requires_grad,
    "detach": lambda T, v: v.detach().requires_grad,
    "clone": lambda T, v: v.clone().requires_grad,
    "change": lambda T, v: v.add_(1).requires_grad,
    "backward": lambda T, v: v.sum().backward(),
    "gradient": lambda T, v: None if v.grad is None else v.grad.tolist(),
}


def under_no_grad(T: Any, call: Callable[[], Any]) -> Any:
    with T.no_grad():
        return call()


def leaf(T: Any) -> Any:
    return T.tensor([[0.0, 1.0], [2.0, 3.0]], requires_grad=True)


def computed(T: Any) -> Any:
    return leaf(T) * 1


def plain(T: Any) -> Any:
    return T.zeros(2, 2)


Make = Callable[[Any], Any]  # of the library: the base
Take = Callable[[Any], Any]  # of the base: the view
Change = Callable[[Any, Any], Any]  # of the library and the base

BASES: dict[str, Make] = {"leaf": leaf, "computed": computed, "plain": plain}
TAKEN: dict[str, Take] = {
    "select": lambda b: b[0],
    "unbind": lambda b: b.unbind()[0],
    "iteration": lambda b: list(b)[1],
    "split": lambda b: b.split(1)[1],
    "chunk": lambda b: b.chunk(2, 1)[0],
    "split_with_sizes": lambda b: b.split([1, 1])[0],
    "tensor_split": lambda b: b.tensor_split(2)[0],
    "part of a part": lambda b: b.unbind()[0][:1],
    "parts of the transpose": lambda b: b.t().unbind()[1],
}
CHANGES: dict[str, Change] = {
    "nothing": lambda T, b: b,
    "in place": lambda T, b: b.mul_(2),
    "under no_grad": lambda T, b: under_no_grad(T, lambda: b.mul_(2)),
    "detached": lambda T, b: b.detach().mul_(2),
    "by what requires grad": lambda T, b: b.add_(leaf(T)),
    "another view": lambda T, b: b[1].mul_(2),
    "requires_grad_": lambda T, b: b.requires_grad_(),
}


def outcomes(T: Any, base: Make, take: Take, change: Change, tracked: bool) -> list[Any]:
    with T.set_grad_enabled(tracked):
        source = base(T) if tracked else under_grad(T, base)
        view = take(source)
    found: list[Any] = []
    for name, use in {"changed": lambda T, v: str(type(change(T, source)) is T.Tensor), **USES}.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                found.append((name, use(T, view)))
            except (RuntimeError, TypeError) as refused:
                found.append((name, "refused" if isinstance(refused, RuntimeError) else "TypeError"))
    return found


def under_grad(T: Any, base: Make) -> Any:
    with T.enable_grad():
        return base(T)


@pytest.mark.parametrize("taken", TAKEN)
@pytest.mark.parametrize("base", BASES)
def test_a_view_after_a_change(base: str, taken: str) -> None:
    for change in CHANGES:
        for tracked in (True, False):
            theirs, ours = (outcomes(T, BASES[base], TAKEN[taken], CHANGES[change], tracked) for T in (torch, pellucid))
            assert ours == theirs, (change, "tracked" if tracked else "taken under no_grad")


def test_the_refusal_names_the_output_and_what_was_changed() -> None:
    base = computed(pellucid)
    part = base.unbind()[1]
    base.mul_(2)
    with pytest.raises(RuntimeError, match="Output 1 of Unbind is a view and its base or another view of its base has"):
        part.sum()
