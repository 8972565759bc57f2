"""What the numbers alone say, whatever the program: zero, a factor, another tensor's gradient, an earlier one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from pellucid.check.autopsy.evidence import Evidence
from pellucid.check.mistakes import (
    ACCUMULATED,
    BATCH_FACTOR,
    CLIPPED,
    CONSTANT_FACTOR,
    MISSING_BROADCAST_SUM,
    MISSING_STEP,
    SIGN,
    STALE_VALUE,
    SWAPPED_TENSORS,
    TRANSPOSE,
    ZERO_GRADIENT,
)
from pellucid.check.record.tape import Array


@dataclass
class Explanation:
    """A mistake that explains one tensor's gradient."""

    mistake: str
    explanation: str
    fix: str
    weight: float


def same(first: Array, other: Array, difference: float | None = None, rtol: float = 1e-6) -> bool:
    """Whether two arrays are equal but for rounding, and closer to each other than what there is to explain."""
    if first.shape != other.shape:
        return False
    if not (np.isfinite(first).all() and np.isfinite(other).all()):
        return False
    with np.errstate(all="ignore"):
        away = float(np.sqrt(((first - other) ** 2).sum()))
        size = max(float(np.sqrt((first**2).sum())), float(np.sqrt((other**2).sum())))
    return away <= rtol * size and (difference is None or away <= 0.01 * difference)


def by_numbers(
    row: Evidence,
    all_true: dict[str, Array],
    sizes: tuple[int, ...],
    earlier: list[dict[str, Array]],
    rtol: float,
    repeats: int = 0,
) -> Iterator[Explanation]:
    """Every explanation of one tensor's gradient that needs nothing but numbers."""
    name, true, given = row.name, row.true, row.given
    if given is None:
        yield Explanation(ZERO_GRADIENT, f"There is no gradient for {name}.", f"return grads[{name!r}]", 3.0)
        return
    if not np.isfinite(given).all():
        return
    size = float(np.sqrt((true**2).sum()))
    if not given.any() or float(np.sqrt((given**2).sum())) < 1e-9 * size:
        yield Explanation(
            ZERO_GRADIENT,
            f"The gradient of {name} is zero; the true one has norm {size:.3g}.",
            "look whether the path to it is cut (a mask that nothing passes, a factor of 0), or the result is never "
            "written into the dict",
            3.0,
        )
        return
    if given.shape != true.shape:
        yield from _other_shape(row, rtol)
        return
    for before in earlier:
        past = before.get(name)
        if past is None or past.shape != true.shape:
            continue
        for count in (1, 2, 3):
            fits = same(given, true + count * past, row.difference, rtol) and not same(past, true, rtol=rtol)
            if fits and not same(given, past, rtol=rtol):
                yield Explanation(
                    ACCUMULATED,
                    f"The gradient of {name} is the right one plus {'' if count == 1 else f'{count} times '}that of an "
                    "earlier call.",
                    "set the gradients to zero (or assign, =, not +=) at the beginning of each call",
                    2.5,
                )
        if same(given, past, row.difference, rtol) and not same(past, true, rtol=rtol):
            yield Explanation(
                STALE_VALUE,
                f"The gradient of {name} is that of an earlier call: nothing of it was computed anew.",
                "compute it from the parameters and values of this call",
                0.9,  # a gradient may well be the same twice: that of a bias, where the probabilities sum to 1
            )
    yield from _clipped(row, rtol)
    multiple = bool(row.ratio) and math.isfinite(row.ratio) and row.steady
    multiple = multiple and same(given, row.ratio * true, row.difference, rtol)
    if multiple and not math.isclose(row.ratio, 1.0, rel_tol=1e-3):
        if repeats > 1 and repeats not in sizes and math.isclose(row.ratio, 1 / repeats, rel_tol=1e-6):
            yield Explanation(
                MISSING_BROADCAST_SUM,
                f"The gradient of {name} is averaged over the {repeats} places at which the forward pass uses each "
                "of its elements, and must be summed.",
                "write .sum(…) for .mean(…)",
                2.0,
            )
        yield factor(name, row.ratio, sizes, min(1e-2, max(1e-6, 0.1 * rtol)))
    for other, gradient in all_true.items():
        if other != name and same(given, gradient, row.difference, rtol):
            yield Explanation(
                SWAPPED_TENSORS,
                f"What is given as the gradient of {name} is that of {other}.",
                f"grads[{name!r}] and grads[{other!r}] are exchanged, or one is returned twice",
                2.0,
            )
    if (
        true.ndim >= 2
        and true.shape[-1] == true.shape[-2] > 1
        and same(given, np.swapaxes(true, -1, -2), row.difference, rtol)
    ):
        yield Explanation(TRANSPOSE, f"The gradient of {name} is the transpose of the true one.", "append .T", 2.0)
    yield from _sums(row, all_true, rtol)
    yield from _slices(row, rtol)


ROUND = sorted({digit * 10.0**power for digit in (1, 1.5, 2, 2.5, 3, 4, 5) for power in range(-4, 4)})


def _is_round(value: float) -> bool:
    """Whether somebody may have typed this number as a bound."""
    return any(math.isclose(value, bound, rel_tol=1e-6) for bound in ROUND)


def _clipped(row: Evidence, rtol: float) -> Iterator[Explanation]:
    """Right before it was clipped: at a bound where it would be beyond, or shortened to a norm that somebody typed."""
    true, given = row.true, row.given
    if given is None or not given.size:
        return
    bound = float(np.abs(given).max())
    at_bound = int((np.abs(true) > bound).sum())
    # Of two or three numbers one is the largest, and numbers that are all of one size are many things.
    telling = (given.size > 3 and at_bound < true.size) or _is_round(bound)
    if at_bound and telling and same(np.clip(true, -bound, bound), given, row.difference, rtol):
        yield Explanation(
            CLIPPED,
            f"The gradient of {row.name} is right where it lies within ±{bound:.4g}; {at_bound} of its {true.size} "
            "elements were clipped to that.",
            "check the gradients before they are clipped; clipping belongs to the update, and only where they explode",
            2.5,
        )
    if true.size < 2:
        return
    size, longest = float(np.sqrt((given**2).sum())), float(np.sqrt((true**2).sum()))
    if 0 < row.ratio < 1 and size < longest and _is_round(size) and same(given, row.ratio * true, row.difference, rtol):
        yield Explanation(
            CLIPPED,
            f"The gradient of {row.name} has the right direction and was shortened to the norm {size:.4g}.",
            "check the gradients before they are clipped; clipping belongs to the update, and only where they explode",
            1.9,
        )


def factor(name: str, ratio: float, sizes: tuple[int, ...], near: float = 1e-6) -> Explanation:
    """A gradient that is a multiple of the true one."""
    if math.isclose(ratio, -1.0, rel_tol=near):
        return Explanation(
            SIGN, f"The gradient of {name} has the opposite sign.", "write −, not + (or the reverse)", 2.0
        )
    plain = abs(ratio)
    for size in sizes:
        for value, said in ((float(size), f"{size}"), (1.0 / size, f"1/{size}")):
            if size > 1 and math.isclose(plain, value, rel_tol=near) and size != 2:
                sign = " and the opposite sign" if ratio < 0 else ""
                return Explanation(
                    BATCH_FACTOR,
                    f"The gradient of {name} is {said} times the true one{sign}; {size} is the size of the batch: a "
                    "sum was taken for a mean, or a mean for a sum.",
                    f"{'divide' if value > 1 else 'multiply'} by {size}, once",
                    1.6,
                )
    for value in (2.0, 0.5):
        if math.isclose(ratio, value, rel_tol=near):
            return Explanation(
                CONSTANT_FACTOR,
                f"The gradient of {name} is {value:g} times the true one.",
                "the derivative of x² is 2·x, that of ½·x² is x: the factor of the loss is not that of the gradient",
                1.6,
            )
    mistake = CONSTANT_FACTOR
    return Explanation(
        mistake, f"The gradient of {name} is {ratio:.6g} times the true one.", f"divide by {ratio:.6g}", 1.0
    )


def _other_shape(row: Evidence, rtol: float) -> Iterator[Explanation]:
    true, given = row.true, row.given
    if given is None:
        return
    if given.ndim == true.ndim and given.shape == true.shape[::-1] and same(given.T, true, rtol=rtol):
        yield Explanation(
            TRANSPOSE, f"The gradient of {row.name} is transposed: {given.shape} for {true.shape}.", "append .T", 3.0
        )
    for count in range(1, true.ndim + 1):
        for axes in combinations(range(true.ndim), count):
            if same(true.sum(axis=axes).squeeze(), given.squeeze(), rtol=rtol) and true.sum(axis=axes).size < true.size:
                yield Explanation(
                    MISSING_BROADCAST_SUM,
                    f"The gradient of {row.name} is summed over too much: over its own axis {axes} as well; its shape "
                    f"is {given.shape}, that of the parameter {true.shape}.",
                    "sum over those axes only along which the forward pass repeats the parameter",
                    3.0,
                )
                return
    squeezed, wanted = given.squeeze(), true.squeeze()
    if squeezed.shape == wanted.shape and same(squeezed, wanted, rtol=rtol):
        yield Explanation(
            MISSING_BROADCAST_SUM,
            f"The gradient of {row.name} has the right numbers, in the shape {given.shape} for {true.shape}.",
            f"append .reshape({true.shape}), or keepdims={'True' if true.ndim > given.ndim else 'False'} in its sum",
            2.0,
        )
    for count in range(1, given.ndim + 1):
        for axes in combinations(range(given.ndim), count):
            for name, reduce in (("sum", np.sum), ("mean", np.mean)):
                summed = reduce(given, axis=axes)
                if summed.size == true.size and same(summed.reshape(true.shape), true, rtol=rtol):
                    axis = axes[0] if count == 1 else axes
                    yield Explanation(
                        MISSING_BROADCAST_SUM,
                        f"The gradient of {row.name} was not summed: its shape is {given.shape}, that of the "
                        f"parameter, which the forward pass broadcast, {true.shape}.",
                        f"append .{name}(axis={axis})",
                        3.0,
                    )
                    return


def _sums(row: Evidence, all_true: dict[str, Array], rtol: float) -> Iterator[Explanation]:
    """A bias whose gradient is one sum for all, or a sum over the gradient of the weights."""
    true, given = row.true, row.given
    if given is None or true.size < 2:
        return
    if true.sum() and same(given, np.full(true.shape, true.sum()), row.difference, rtol):
        column = true.ndim == 2 and true.shape[1] == 1  # one row for each unit, and the samples in columns
        yield Explanation(
            MISSING_BROADCAST_SUM,
            f"The gradient of {row.name} is summed over its own elements too: all of them get the same number.",
            f"name the axis of the samples in the sum: .sum(axis={'1, keepdims=True' if column else '0'})",
            2.2,
        )
    for name, other in all_true.items():
        if name == row.name or other.ndim != 2 or min(other.shape) < 2:
            continue
        for axis in (0, 1):
            summed = other.sum(axis=axis)
            if summed.size == true.size and same(given, summed.reshape(true.shape), row.difference, rtol):
                yield Explanation(
                    MISSING_BROADCAST_SUM,
                    f"What is given as the gradient of {row.name} is that of {name}, summed over axis {axis}.",
                    f"sum what goes back into the addition of {row.name} over the samples, not the gradient of {name}",
                    2.1,
                )


def _slices(row: Evidence, rtol: float) -> Iterator[Explanation]:
    """Right but for a slice along one axis, which is zero."""
    true, given = row.true, row.given
    if given is None:
        return
    for axis, length in enumerate(true.shape):
        others = tuple(i for i in range(true.ndim) if i != axis)
        empty = ~given.any(axis=others) & true.any(axis=others)
        missing = np.nonzero(empty)[0]
        if 0 < len(missing) < length:
            patched = given.copy()
            index = (slice(None),) * axis + (missing,)
            patched[index] = true[index]
            if same(patched, true, row.difference, rtol):
                yield Explanation(
                    MISSING_STEP,
                    f"Of the gradient of {row.name}, {len(missing)} of {length} slices along axis {axis} are zero "
                    f"({', '.join(map(str, missing[:5]))}), the rest is right.",
                    "let the loop that fills it go over all of them",
                    1.8,
                )
