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
from tests.twins import both_raise, same

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


def complex_numbers(T: Any, change: Callable[[Any, Any, Any], Any]) -> Any:
    """First and second gradients, of the numbers and of what changed a part of them in place."""
    z, w = T.tensor([1 + 2j, 3 - 1j, 0.5j], requires_grad=True), T.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = z * 1
    change(T, y, w)
    out = (y * T.tensor([1 + 1j, 2 - 1j, 3j])).abs().pow(2).sum()
    first = T.autograd.grad(out, (z, w), create_graph=True)
    return [*first, *T.autograd.grad(first[0].abs().sum() + first[1].pow(2).sum(), (z, w))]


def pairs(T: Any) -> Any:
    x, w = T.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True), T.tensor([1.0, 2.0], requires_grad=True)
    y = x * 1
    z = T.view_as_complex(y)
    z.mul_(w * (1 + 2j))
    return T.autograd.grad((y**3).sum() + z.abs().sum(), (x, w))


def restrided(T: Any) -> Any:
    x = T.arange(6.0, requires_grad=True)
    y = x * 2
    part = y[:4]
    part.as_strided_((2, 2), (2, 1))
    part.mul_(3)
    (y * T.arange(6.0)).sum().backward()
    return [part, x.grad]


def turned_without_grad(T: Any) -> Any:
    """A view keeps what it was made under, also where it is changed into another view."""
    x = T.ones(2, 3, requires_grad=True)
    y = x * 1
    view = y.view_as(y)
    with T.no_grad():
        view.t_()
    view.mul_(2)
    y.sum().backward()
    return [view.shape, x.grad]


COMPLEX: dict[str, Callable[[Any], Any]] = {
    "pairs of parts": lambda T: complex_numbers(T, lambda T, y, w: T.view_as_real(y)[:, 1].mul_(w)),
    "imaginary parts": lambda T: complex_numbers(T, lambda T, y, w: y.imag.mul_(w)),
    "real parts": lambda T: complex_numbers(T, lambda T, y, w: y.real.add_(w)),
    "of some": lambda T: complex_numbers(T, lambda T, y, w: y[1:].imag.mul_(w[1:])),
    "of pairs": pairs, "restrided": restrided, "turned without grad": turned_without_grad,
}  # fmt: skip


@pytest.mark.parametrize("name", COMPLEX)
def test_a_change_through_a_view_of_another_dtype_or_layout(name: str) -> None:
    same(COMPLEX[name], rtol=1e-5)


def test_a_view_that_became_another_view_in_place() -> None:
    """PyTorch's own gradient is that of the view before, or an error."""
    found = []
    for in_place in (True, False):
        z = pellucid.tensor([[1 + 2j, 3 - 1j]], requires_grad=True)
        b = pellucid.view_as_real(z * 1)
        b = b.squeeze_(0).transpose_(0, 1) if in_place else b.squeeze(0).transpose(0, 1)
        b += pellucid.ones(2, 2)
        (b * pellucid.arange(4.0).reshape(2, 2)).sum().backward()
        found.append(z.grad.tolist())
    assert found == [[[0 + 2j, 1 + 3j]]] * 2


@pytest.mark.parametrize("mode", ["no_grad", "inference_mode"])
def test_the_refusal_of_a_view_of_a_view(mode: str) -> None:
    def run(T: Any) -> None:
        whole = T.zeros(2)
        with getattr(T, mode)():
            part = whole.view(2)
        part.requires_grad_()
        view = part.view(2)
        view /= 2

    both_raise(run, "is a view of a view which was created in", f"inside the {mode} block")
