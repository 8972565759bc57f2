"""What `gradcheck` asks of forward mode: are tangents the derivative, and linear?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, cast

import numpy as np

from pellucid.core import Tensor, from_data
from pellucid.core.node import Arguments
from pellucid.random import default_generator

from . import forward_ad
from .numeric import scale_of, slopes

SAFETY = 10.0  # how many times its estimated error a difference may be off by


class GradcheckError(RuntimeError):
    """What `gradcheck` raises where a gradient is not the derivative."""


class Checked(Protocol):
    """The function at the point where it is checked."""

    func: Callable[..., object]
    tensors: Arguments
    wanted: list[int]
    point: list[np.ndarray]
    rng: np.random.Generator
    atol: float
    rtol: float

    def values(self, arrays: list[np.ndarray]) -> np.ndarray:
        """The outputs at another point, one after the other."""
        ...


def check_forward(check: Checked, undefined: bool, batched: bool) -> None:
    """Compare the tangents of all outputs, along a random direction of each input, with differences.

    With `undefined`, it must not matter how the zeros of the other inputs lie in memory; with `batched`, tangents along
    two directions must add up to the one along their sum.

    Raises:
        GradcheckError: one of the three does not hold.
        RuntimeError: with `batched`, the function draws random numbers.
    """
    for index, i in enumerate(check.wanted):
        way = check.rng.uniform(0.5, 1.5, check.point[index].shape)
        given, sizes = _along(check, {**_zeros(check), i: way})

        def moved(t: float, index: int = index, way: np.ndarray = way) -> np.ndarray:
            return check.values([array + t * way if j == index else array for j, array in enumerate(check.point)])

        found = slopes(moved, scale_of(check.point[index], way))
        allowed = check.atol + check.rtol * np.abs(found.value) + SAFETY * found.error
        bad = ~(np.abs(given - found.value) <= allowed) & ~found.kink
        if bad.any():
            number = np.searchsorted(np.cumsum(sizes), np.nonzero(bad)[0][0], side="right")
            raise GradcheckError(
                f"Jacobian computed with forward mode mismatch for output {number} with respect to input {i}: its "
                f"tangent is not the derivative, along a random direction of it\nnumerical:{found.value}\n"
                f"analytical:{given}"
            )
        if undefined:
            _check_undefined(check, i, way)
        if batched:
            _check_sum(check, i, way)


def _along(check: Checked, ways: dict[int, np.ndarray]) -> tuple[np.ndarray, list[int]]:
    """The tangents of all outputs, one after the other, along these directions of the inputs; and their sizes."""
    with forward_ad.dual_level():
        args = [value.detach() if isinstance(value, Tensor) else value for value in check.tensors]
        for place, array in zip(check.wanted, check.point, strict=True):
            args[place] = from_data(array)
            if place in ways:
                args[place] = forward_ad.make_dual(args[place], from_data(ways[place]))
        result = check.func(*args)
        made = cast("list[Tensor]", result if isinstance(result, tuple | list) else [result])
        outs = [out for out in made if out.is_floating_point()]
        tangents = [forward_ad.unpack_dual(out).tangent for out in outs]
    parts = [
        np.zeros(out.numel()) if tangent is None else tangent.detach().cpu().numpy().astype(np.float64).ravel()
        for out, tangent in zip(outs, tangents, strict=True)
    ]
    return np.concatenate([*parts, np.zeros(0)]), [out.numel() for out in outs]


def _zeros(check: Checked) -> dict[int, np.ndarray]:
    return {place: np.zeros_like(array) for place, array in zip(check.wanted, check.point, strict=True)}


def _check_undefined(check: Checked, i: int, way: np.ndarray) -> None:
    zeros = _zeros(check)
    if len(zeros) == 1:
        same = not np.any(_along(check, zeros)[0])
    else:
        expanded = {place: np.broadcast_to(0.0, array.shape) for place, array in zeros.items()}
        again = [_along(check, {**others, i: way})[0] for others in (zeros, expanded)]
        same = np.array_equal(*again, equal_nan=True)
    if not same:
        raise GradcheckError(
            f"The tangent along input {i} is another where the zeros that the other inputs change by lie in memory in "
            "another way, or a second time: a jvp is to be linear in what it is given"
        )


def _check_sum(check: Checked, i: int, way: np.ndarray) -> None:
    before = default_generator.get_state()
    other = check.rng.uniform(0.5, 1.5, way.shape)
    one, two, both = (_along(check, {i: direction})[0] for direction in (way, other, way + other))
    if not (default_generator.get_state() == before).all():
        raise RuntimeError(
            "vmap: We do not yet support calling random operations inside of vmap. Please perform random operations "
            "outside of vmap as a workaround"
        )
    if not np.allclose(one + two, both, check.rtol, check.atol, equal_nan=True):
        raise GradcheckError(
            f"The tangents along two directions of input {i} do not add up to the one along their sum: a jvp is to be "
            "linear in what it is given"
        )
