"""`gradcheck` and `gradgradcheck` by PyTorch's names: is the gradient of a function its derivative?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.autograd.numeric import slope
from pellucid.core import Tensor, from_data, grad, wrap


class GradcheckError(RuntimeError):
    """What `gradcheck` raises where a gradient is not the derivative."""


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    fast_mode: bool = False,
    **options: Any,
) -> bool:
    """Compare gradients with central differences, for every input of floating dtype that requires them.

    Each output element's derivative with respect to each input element is looked at, or with `fast_mode` one random
    combination of them. |analytic − numeric| ≤ atol + rtol·|numeric|, as in PyTorch. Unlike there, the step is found
    by extrapolation, with an error that widens the tolerance, so `eps` is not needed; and where a function has a kink
    just at the point, that input element is left out.

    Args:
        func: a function of tensors that returns a tensor or a tuple of tensors.
        inputs: a tensor or a tuple; float64, or the differences are lost in rounding.
        raise_exception: raise GradcheckError, or return False.
        nondet_tol: how far two evaluations at the same point may differ.

    >>> import pellucid as torch
    >>> x = torch.tensor([0.5, 1.5], dtype=torch.float64, requires_grad=True)
    >>> gradcheck(lambda x: x.exp() * x, (x,))
    True
    """
    tensors = inputs if isinstance(inputs, tuple | list) else (inputs,)
    wanted = [i for i, one in enumerate(tensors) if isinstance(one, Tensor) and one.requires_grad]
    if not wanted:
        raise ValueError("gradcheck expects at least one input tensor to require gradient, but none of them have it.")
    for i in wanted:
        if tensors[i].dtype.name not in ("float64",):
            raise ValueError(
                f"gradcheck: input {i} is {tensors[i].dtype.name}; differences are lost in rounding there. "
                "Give it as float64: x.double().detach().requires_grad_()"
            )
    try:
        _check(func, list(tensors), wanted, atol, rtol, nondet_tol, fast_mode)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    fast_mode: bool = False,
    **options: Any,
) -> bool:
    """`gradcheck` of the gradient itself: whether second derivatives are right.

    The first gradient is taken along `grad_outputs` (random where None), with `create_graph=True`, as a function of
    the inputs and of `grad_outputs`; and that function is checked.

    >>> import pellucid as torch
    >>> x = torch.tensor([0.5, 1.5], dtype=torch.float64, requires_grad=True)
    >>> gradgradcheck(lambda x: x.exp() * x, (x,))
    True
    """
    tensors = tuple(inputs) if isinstance(inputs, tuple | list) else (inputs,)
    outputs = _outputs(func(*tensors))
    if grad_outputs is None:
        rng = np.random.default_rng(0)
        seeds = [from_data(rng.normal(size=tuple(out.shape))).requires_grad_() for out in outputs]
    else:
        seeds = list(grad_outputs) if isinstance(grad_outputs, tuple | list) else [grad_outputs]
    count = len(tensors)
    wanted = [i for i, one in enumerate(tensors) if isinstance(one, Tensor) and one.requires_grad]

    def first(*args: Any) -> tuple[Any, ...]:
        outs = _outputs(func(*args[:count]))
        live = [(out, seed) for out, seed in zip(outs, args[count:], strict=True) if out.requires_grad]
        found = grad(
            [out for out, _ in live], [args[i] for i in wanted], [seed for _, seed in live],
            create_graph=True, allow_unused=True,
        )  # fmt: skip
        return tuple(one for one in found if one is not None)

    return gradcheck(
        first, (*tensors, *seeds), eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception,
        nondet_tol=nondet_tol, fast_mode=fast_mode, **options,
    )  # fmt: skip


def _outputs(result: Any) -> list[Tensor]:
    outs = list(result) if isinstance(result, tuple | list) else [result]
    for out in outs:
        if not isinstance(out, Tensor):
            raise ValueError(
                f"gradcheck: the function must return a Tensor or a tuple of them, got {type(out).__name__}"
            )
    return [out for out in outs if out.dtype.is_floating_point]


def _check(
    func: Callable[..., Any], tensors: list[Any], wanted: list[int], atol: float, rtol: float, nondet: float, fast: bool
) -> None:
    point = [tensors[i].detach().cpu().numpy().copy() for i in wanted]

    def outputs(arrays: list[np.ndarray], tracked: bool = False) -> tuple[list[Tensor], list[Tensor]]:
        leaves = [from_data(array).requires_grad_(True) for array in arrays]  # a gradient within has a graph to walk
        args = list(tensors)
        for i, leaf in zip(wanted, leaves, strict=True):
            args[i] = leaf
        return _outputs(func(*args)), leaves

    def values(arrays: list[np.ndarray]) -> list[np.ndarray]:
        return [out.detach().cpu().numpy().astype(np.float64) for out in outputs(arrays)[0]]

    first, again = values(point), values(point)
    for one, other in zip(first, again, strict=True):
        if one.size and np.abs(one - other).max() > nondet:
            raise GradcheckError(
                "The function gives another output each time, with the same inputs: is it random? Seed it within, or "
                "give nondet_tol."
            )
    rng = np.random.default_rng(0)
    for number, out in enumerate(first):
        projections = _projections(out, fast, rng)
        for place, weight in projections:
            outs, leaves = outputs(point, tracked=True)
            scalar = (outs[number] * wrap(weight)).sum()
            found: Any = [None] * len(leaves)
            if scalar.requires_grad:
                found = grad(scalar, leaves, allow_unused=True)
            for index, (i, leaf) in enumerate(zip(wanted, leaves, strict=True)):
                analytic = found[index]
                exact = np.zeros(leaf.shape) if analytic is None else analytic.detach().cpu().numpy()
                _compare(values, point, index, i, number, place, weight, exact, atol, rtol)


def _projections(out: np.ndarray, fast: bool, rng: np.random.Generator) -> list[tuple[Any, np.ndarray]]:
    """Each element of an output alone, or all at once with random weights."""
    if fast or out.ndim == 0:
        return [((), rng.uniform(0.5, 1.5, out.shape) * rng.choice([-1.0, 1.0], out.shape))]
    singles: list[tuple[Any, np.ndarray]] = []
    for place in np.ndindex(out.shape):
        weight = np.zeros(out.shape)
        weight[place] = 1.0
        singles.append((place, weight))
    return singles


def _compare(
    values: Callable[[list[np.ndarray]], list[np.ndarray]], point: list[np.ndarray], index: int, name: int, number: int,
    place: Any, weight: np.ndarray, exact: np.ndarray, atol: float, rtol: float,
) -> None:  # fmt: skip
    numeric, wrong = np.zeros(exact.shape), np.zeros(exact.shape, bool)
    for entry in np.ndindex(exact.shape):

        def moved(t: float, entry: Any = entry) -> float:
            arrays = [array.copy() for array in point]
            arrays[index][entry] += t * max(1.0, abs(point[index][entry]))
            return float((values(arrays)[number] * weight).sum())

        found = slope(moved)
        scale = max(1.0, abs(point[index][entry]))
        numeric[entry] = found.value / scale
        allowed = atol + rtol * abs(numeric[entry]) + 2 * found.error / scale
        wrong[entry] = not found.kink and not abs(exact[entry] - numeric[entry]) <= allowed
    if wrong.any():
        where = f", element {place}" if place != () else ""
        raise GradcheckError(
            f"Jacobian mismatch for output {number}{where} with respect to input {name}, "
            f"in {int(wrong.sum())} of {wrong.size} elements\nnumerical:{numeric}\nanalytical:{exact}"
        )
