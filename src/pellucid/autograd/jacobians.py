"""Whole Jacobians for programs that compare them by hand, by the names that PyTorch's `gradcheck` had once."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import cast

import numpy as np

from pellucid.core import Tensor, wrap
from pellucid.core.node import Arguments
from pellucid.reverse import grad

__all__ = ["get_analytical_jacobian", "get_numerical_jacobian"]


def get_numerical_jacobian(
    fn: Callable[..., object], inputs: object, target: object = None, eps: float = 1e-3, grad_out: float = 1.0
) -> list[Tensor]:
    """For each input that requires a gradient, or for `target`, (elements of it, elements of fn's first output).

    By central differences of width `eps`; `fn` takes the inputs as one argument.

    >>> import pellucid
    >>> x = pellucid.tensor([1.0, 2.0], dtype=pellucid.float64, requires_grad=True)
    >>> with warnings.catch_warnings(action="ignore"):
    ...     get_numerical_jacobian(lambda given: given[0] * 2, (x,))[0].round(decimals=3)
    tensor([[2., 0.],
            [0., 2.]], dtype=torch.float64)
    """
    _private("get_numerical_jacobian", grad_out)
    wanted = _tensors(inputs) if target is None else _tensors(target)
    return [wrap(_differences(fn, inputs, tensor, eps)) for tensor in wanted]


def _tensors(given: object) -> list[Tensor]:
    """Those that require a gradient."""
    listed = cast("Arguments", given) if isinstance(given, tuple | list) else (given,)
    return [tensor for tensor in listed if isinstance(tensor, Tensor) and tensor.requires_grad]


def _differences(fn: Callable[..., object], inputs: object, moved: Tensor, eps: float) -> np.ndarray:
    def first() -> np.ndarray:
        found = fn(inputs)
        out = cast("Tensor", cast("Arguments", found)[0] if isinstance(found, tuple | list) else found)
        return out.detach().numpy().ravel().copy()

    rows: list[np.ndarray] = []
    values = moved.detach().numpy()
    for place in np.ndindex(values.shape):
        before = values[place]
        values[place] = before + eps
        right = first()
        values[place] = before - eps
        rows.append((right - first()) / (2 * eps))
        values[place] = before
    return np.stack(rows)


def get_analytical_jacobian(
    inputs: object, output: Tensor, nondet_tol: float = 0.0, grad_out: float = 1.0
) -> tuple[tuple[Tensor, ...], bool, bool, bool]:
    """For each input (elements of it, elements of the output), by `autograd`, computed twice.

    With them: whether both times agree, and whether all gradients have the size, and the dtype, of their input.
    """
    _private("get_analytical_jacobian", grad_out)
    wanted = _tensors(inputs)
    first, sizes, types = _rows(wanted, output)
    second, _, _ = _rows(wanted, output)
    agree = all(np.abs(one - other).max(initial=0) <= nondet_tol for one, other in zip(first, second, strict=True))
    return tuple(map(wrap, first)), agree, sizes, types


def _rows(wanted: Sequence[Tensor], output: Tensor) -> tuple[list[np.ndarray], bool, bool]:
    found = [np.zeros((tensor.numel(), output.numel()), tensor.dtype.numpy) for tensor in wanted]
    sizes = types = True
    for column, place in enumerate(np.ndindex(tuple(output.shape))):
        seed = np.zeros(tuple(output.shape), output.dtype.numpy)
        seed[place] = 1
        for into, tensor, g in zip(
            found, wanted, grad(output, wanted, wrap(seed), retain_graph=True, allow_unused=True), strict=True
        ):
            if g is not None:
                sizes, types = sizes and g.shape == tensor.shape, types and g.dtype == tensor.dtype
                into[:, column] = g.detach().numpy().ravel()
    return found, sizes, types


def _private(name: str, grad_out: float) -> None:
    warnings.warn(
        f"`{name}` was part of PyTorch's private API and not meant to be exposed. It may go: use "
        "torch.autograd.functional.jacobian, or gradcheck",
        FutureWarning,
        stacklevel=3,
    )
    if grad_out != 1.0:
        raise ValueError(f"Expected grad_out to be 1.0 of {name}: no other was ever asked for")
