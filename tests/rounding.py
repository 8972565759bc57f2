"""How far rounding may carry two right answers apart; and rounding as on another processor.

A sum of products rounds in the order that a processor's BLAS adds, so two right answers differ, and where terms of both
signs cancel they differ by far more than a unit in the last place of the result. No constant says by how much. It is
measured: PyTorch computes the same in float64, once at the very inputs and a few times at inputs that each moved by a
rounding of the dtype in question. What moves the exact answer that far is what rounding may do to it.

`PELLUCID_TEST_ROUNDING=reversed` has pellucid take its sums and sums of products in another order.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

EPSILON = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-23, "float64": 2.0**-52,
           "complex64": 2.0**-23, "complex128": 2.0**-52}  # fmt: skip
TRIALS = 6
SLACK = (
    16.0  # how many of the largest moves that were seen; a long sum's roundings add up to more than one of its terms'
)


def rounding_alone(compute: Callable[["Widened"], Any], dtype: str, expected: np.ndarray, got: np.ndarray) -> bool:
    """Whether `got` and `expected`, both of `dtype`, are equal but for rounding.

    `compute(widened)` is PyTorch's answer as an array, with `widened` applied to each of the tensors it is made from.
    """
    epsilon = EPSILON.get(dtype)
    if epsilon is None:
        return False
    try:
        exact = _wide(compute(Widened()))
        moved = [_wide(compute(Widened(epsilon, trial))) for trial in range(TRIALS)]
    except (RuntimeError, NotImplementedError, ValueError, TypeError):
        return False  # PyTorch has it in no higher precision
    if exact.shape != got.shape:
        return False
    with np.errstate(all="ignore"):
        reach = np.max([np.abs(array - exact) for array in moved], axis=0)
        # The few trials may all have moved an element little, by chance: its neighbours tell, too.
        typical = np.sqrt(np.mean(reach**2, dtype=np.float64)) if np.isfinite(reach).all() else 0.0
        bound = SLACK * np.maximum(reach, 0.25 * typical) + 4 * epsilon * np.abs(exact) + np.finfo(np.float32).tiny
        near = np.abs(_wide(got) - exact) <= bound
        same = near | (got == expected) | (np.isnan(got) & np.isnan(expected))
    return bool(np.all(same))


def _wide(array: Any) -> np.ndarray:
    return np.asarray(array, np.complex128 if np.asarray(array).dtype.kind == "c" else np.float64)


class Widened:
    """Floating tensors in float64, within lists, tuples and dicts too, each number moved by `epsilon` of itself.

    Up or down is chance, the same for the same trial. One tensor given twice is one tensor afterwards.
    """

    def __init__(self, epsilon: float = 0.0, trial: int = 0) -> None:
        self.epsilon, self.random = epsilon, np.random.default_rng(trial)
        self.tensors: dict[int, torch.Tensor] = {}

    def __call__(self, part: Any) -> Any:
        if isinstance(part, torch.Tensor) and (part.is_floating_point() or part.is_complex()):
            if id(part) not in self.tensors:
                wide = part.detach().to(torch.complex128 if part.is_complex() else torch.float64)
                signs = self.random.choice([-1.0, 1.0], size=tuple(wide.shape))
                wide = wide * torch.from_numpy(np.asarray(1 + self.epsilon * signs))
                self.tensors[id(part)] = wide.requires_grad_(part.requires_grad)
            return self.tensors[id(part)]
        if isinstance(part, torch.dtype):
            return torch.float64 if part.is_floating_point else torch.complex128 if part.is_complex else part
        if type(part) in (list, tuple):
            return type(part)(self(item) for item in part)
        if isinstance(part, dict):
            return {key: self(value) for key, value in part.items()}
        return part


# --- another processor -----------------------------------------------------------------------------------------------


def reverse_sums() -> None:
    """Have pellucid's products and sums added from the last term to the first, in pieces of another length."""
    from pellucid import backend
    from pellucid.backend import meta_namespace  # noqa: F401  made of NumPy's functions as they are

    xp = backend.NUMPY.xp
    xp.matmul, xp.einsum, xp.tensordot, xp.add = _matmul, _einsum, _tensordot, _Add()


def _pieces(length: int) -> Iterator[slice]:
    """Of the last terms first: three quarters, then the rest."""
    cut = length // 4
    yield slice(length - 1, cut - 1 if cut else None, -1)
    if cut:
        yield slice(cut - 1, None, -1)


def _matmul(a: Any, b: Any, out: Any = None) -> Any:
    if a.dtype.kind != "f" or a.shape[-1] < 4:
        return np.matmul(a, b) if out is None else np.matmul(a, b, out=out)
    total: Any = None
    for piece in _pieces(a.shape[-1]):
        part = np.matmul(a[..., piece].copy(), (b[piece] if b.ndim == 1 else b[..., piece, :]).copy())
        total = part if total is None else total + part
    if out is None:
        return total
    out[...] = total
    return out


def _einsum(text: str, *operands: Any, **options: Any) -> Any:
    """The letters that are summed over run backwards."""
    inputs, _, output = text.partition("->")
    summed = set(inputs.replace(",", "")) - set(output)
    if "." in text:
        return np.einsum(text, *operands, **options)
    turned = [
        array[tuple(slice(None, None, -1) if letter in summed else slice(None) for letter in letters)].copy()
        for letters, array in zip(inputs.split(","), operands, strict=True)
    ]
    return np.einsum(text, *turned, **options)


def _tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    if axes == 1 and np.ndim(b) == 1:
        return np.tensordot(a[..., ::-1].copy(), b[::-1].copy(), 1)
    return np.tensordot(a, b, axes)


class _Add:
    """`numpy.add`, whose sums begin at the end."""

    def __call__(self, *arrays: Any, **options: Any) -> Any:
        return np.add(*arrays, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(np.add, name)

    def reduce(self, array: Any, axis: Any = 0, **options: Any) -> Any:
        array = np.asarray(array)
        if array.dtype.kind == "f" and array.ndim:
            array = np.flip(array, axis).copy()
        return np.add.reduce(array, axis=axis, **options)
