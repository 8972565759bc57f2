"""Small examples for every op of the table: from its domain where it has one, from the rows below where not.

A row is what the op is called with. Float arrays are written as their shape, `X(2, 3)`, and filled with numbers that
are easy to follow; the rest stands as it is handed over, and NumPy arrays become tensors.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite
from typing import Any

import numpy as np

from pellucid.core import Domain, as_dtype, from_data
from pellucid.core.declaration import REQUIRED
from pellucid.declare import TABLE, Op
from pellucid.types.devices import device

# No two are equal, none is a whole number or a half, which are kinks of some ops; neighbours differ in size and sign.
EASY = (0.7, -1.2, 1.6, 0.3, -0.4, 2.1, 1.1, -0.8, -1.7, 0.9, 1.3, -0.6, 0.2, 1.9, -1.4, 0.6, -0.3, 2.3, -2.2, 1.7)


@dataclass(frozen=True)
class X:
    """A float array to be filled; with `low` and `high`, between them; `ordered`, rising along the last axis."""

    shape: tuple[int, ...]
    low: float = -inf
    high: float = inf
    ordered: bool = False


def x(*shape: int, **what: Any) -> X:
    return X(shape, **what)


def row(*args: Any, **attributes: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return args, attributes


# What the steps of optimisers share.
_PLAIN = {"weight_decay": 0.0, "maximize": False}
_ADAM = {"lr": 0.1, "betas": (0.9, 0.999), "eps": 1e-8, **_PLAIN}
_STEP = (x(3), x(3), np.array(1.0))


PLAIN = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 1}
POOL = {"kernel": (2, 2), "stride": (2, 2), "padding": (0, 0), "dilation": (1, 1)}
MEAN = {"kernel": (2, 2), "stride": (2, 2), "padding": (0, 0)}
COLUMNS = {"kernel": (2, 2), "stride": (1, 1), "padding": (0, 0), "dilation": (1, 1)}
MATRIX = x(2, 3)
ROWS = np.array([2, 0])
EACH = np.array([[0, 2, 1], [2, 2, 0]])  # for each of 2 × 3 places a row of 3
MASK = np.array([[True, False, True], [False, True, False]])
PLACES = np.array([[[[1, 2]]]], dtype=np.uint8)  # in each window, which of its 2 × 2 places
CHAIN = ((TABLE["reshape"], {"shape": (3, 2)}),)
FLOAT = as_dtype("float32")

ROWS_OF: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    # products
    "matmul": row(x(2, 3), x(3, 2)), "linear": row(x(2, 3), x(2, 3), x(2)), "matrix_transpose": row(MATRIX),
    "contract": row(x(2, 3), x(3, 2), inputs=("ij", "jk"), output="ik"),
    # reductions and along an axis
    "sum": row(MATRIX, dim=1), "mean": row(MATRIX, dim=1), "nansum": row(MATRIX, dim=1), "prod": row(MATRIX, dim=1),
    "logsumexp": row(MATRIX, dim=1), "amax": row(MATRIX, dim=1), "amin": row(MATRIX, dim=1), "max": row(MATRIX),
    "min": row(MATRIX), "max_along": row(MATRIX, dim=1), "min_along": row(MATRIX, dim=1),
    "argmax": row(MATRIX, dim=1), "argmin": row(MATRIX, dim=1), "any": row(MASK), "all": row(MASK),
    "count_nonzero": row(MASK), "var": row(x(4)), "std": row(x(4)), "p_norm": row(x(4), ord=2),
    "spread": row(x(2), shape=(2, 3), dim=1), "cast_like": row(x(3), x(3)), "others": row(x(3), dim=0),
    "repeat_rows": row(x(3), mask="off"), "mask_rows": row(x(3, 3), mask="off"),
    "softmax": row(x(2, 3), dim=1), "log_softmax": row(x(2, 3), dim=1),
    "attention_gradients": row(x(2, 2), x(2, 3), x(2, 3), x(2, 2), scale=0.5),
    "softmax_backward": row(x(3), np.array([0.2, 0.5, 0.3]), dim=0),
    "log_softmax_backward": row(x(3), np.log([0.2, 0.5, 0.3]), dim=0),
    "smooth_l1": row(x(3), np.array([0.0, 0.4, 2.0]), beta=1.0),
    "cumsum": row(x(4), dim=0), "cumprod": row(x(4), dim=0), "logcumsumexp": row(x(4), dim=0),
    "cummax": row(x(4), dim=0), "cummin": row(x(4), dim=0), "cumsum_from_end": row(x(4), dim=0),
    "cumprod_backward": row(x(3), x(3), dim=0), "sort": row(x(4)), "argsort": row(x(4)), "topk": row(x(4), k=2),
    "kthvalue_along": row(x(4), k=2), "median_along": row(x(5)), "nanmedian_along": row(x(5)),
    "mode_along": row(x(4)), "median": row(x(5)), "nanmedian": row(x(5)),
    "quantile_of_sorted": row(x(4, ordered=True), np.array([0.3, 0.8])), "histc": row(x(6), bins=3),
    "bincount": row(np.array([0, 2, 2, 1]), None), "histogram": row(x(6), None, count=3),
    # losses and normalisation
    "cross_entropy": row(x(2, 3), np.array([0, 2])), "nll_loss": row(x(2, 3, high=-0.1), np.array([0, 2])),
    "cross_entropy_backward": row(np.array(1.0), np.array([[0.5, 0.2, 0.3], [0.1, 0.3, 0.6]]), np.array([0, 2])),
    "class_weights": row(x(2, 3), np.array([0, 2])),
    "binary_cross_entropy": row(x(3, low=0, high=1), np.array([1.0, 0.0, 1.0])),
    "layer_norm": row(x(2, 3), x(3), x(3), dims=(1,)), "batch_norm": row(x(3, 2), x(2), x(2), dims=(0,)),
    "normalize_gradients": row(x(2, 3), x(3), x(2, 3), x(2, 1, low=0), dims=(1,), channel=False),
    "normalize_backward": row(x(1, 3), x(1, 3), x(1, 1, low=0), dims=(1,)),
    "update_running_stats_": row(x(2), x(2, low=0), x(2), x(2, low=0), momentum=0.1, count=8),
    # shapes
    "reshape": row(MATRIX, shape=(3, 2)), "view": row(MATRIX, shape=(3, 2)), "squeeze": row(x(1, 3), dims=(0,)),
    "view_dtype": row(np.array([1, 2, 3]), dtype=as_dtype("int32")), "unsqueeze": row(x(3), dim=0),
    "expand": row(x(3, 1), size=(3, 2)), "permute": row(MATRIX, dims=(1, 0)), "transpose": row(MATRIX, dim0=0, dim1=1),
    "flip": row(x(3), dims=(0,)), "roll": row(x(4), shifts=(1,), dims=(0,)), "repeat": row(x(2), repeats=(2,)),
    "cat": row(x(2), x(3)), "stack": row(x(2), x(2)), "constant_pad_nd": row(x(3), pad=(1, 2)),
    "pad_indices": row(length=4, before=1, after=2, mode="reflect"), "repeat_indices": row(np.array([2, 0, 3])),
    "part": row(x(2, 3), key=(..., slice(0, 3, 2))), "part_embed": row(x(2), shape=(4,), key=(slice(1, 3),)),
    "diagonal": row(x(3, 3)), "diagonal_embed": row(x(3), shape=(3, 3), offset=0, dim1=0, dim2=1),
    "tril": row(x(3, 3)), "triu": row(x(3, 3)), "unfold": row(x(5), dimension=0, size=3, step=2),
    "windows_add": row(x(2, 3), shape=(5,), dimension=0, size=3, step=2), "zeros_like": row(x(3)),
    "clone": row(x(3)), "cast": row(x(3), dtype=as_dtype("float64")), "to_device": row(x(3), device=device("cpu")),
    "copy_": row(x(3), x(3)), "view_replay": row(x(2, 3), chain=CHAIN),
    "view_embed": row(x(3, 2), shape=(2, 3), chain=CHAIN), "view_zero": row(x(2, 3), chain=CHAIN),
    "kinked": row(x(3)), "along": row(x(3), x(3)),
    # choices and indices
    "where": row(MASK, x(2, 3), x(3)), "clamp": row(x(4), -1.0, 1.0), "clamp_": row(x(4), -1.0, 1.0),
    "isclose": row(x(3), x(3)),
    "index_select": row(x(3, 2), ROWS, dim=0), "index_embed": row(x(2, 2), ROWS, shape=(3, 2), dim=0),
    "index_add": row(x(3, 2), ROWS, x(2, 2), dim=0), "index_copy": row(x(3, 2), ROWS, x(2, 2), dim=0),
    "index_fill": row(x(3, 2), ROWS, np.array(1.5), dim=0), "unique_values": row(np.array([3, 1, 3])),
    "take": row(x(2, 3), np.array([0, 5, 5])), "take_embed": row(x(3), np.array([0, 5, 5]), shape=(2, 3)),
    "put": row(x(2, 3), np.array([0, 5]), x(2)), "pick": row(x(2, 3), np.array([[0, 2], [1, 1]]), dim=1),
    "place": row(x(2, 2), np.array([[0, 2], [1, 1]]), size=3, dim=1),
    "index": row(x(3, 2), ROWS, slots=(True,)), "index_zeros_put": row(x(2, 2), ROWS, shape=(3, 2), slots=(True,)),
    "index_put": row(x(3, 2), x(2, 2), ROWS, slots=(True,)), "masked_fill": row(x(2, 3), MASK, np.array(1.5)),
    "masked_scatter": row(x(2, 3), MASK, x(3)), "fill": row(x(3), np.array(1.5)), "fill_": row(x(3), np.array(1.5)),
    "zero_": row(x(3)), "gather": row(x(3, 3), EACH, dim=0), "gather_embed": row(x(2, 3), EACH, shape=(3, 3), dim=0),
    "scatter": row(x(3, 3), EACH[:1], x(1, 3), dim=0), "scatter_add": row(x(3, 3), EACH, x(2, 3), dim=0),
    "scatter_reduce": row(x(3, 3), EACH, x(2, 3), dim=0, reduce="mean"), "nonzero": row(MASK),
    "wrap_indices": row(np.array([-1, 0, -3]), size=3), "unique": row(np.array([3, 1, 3]), dim=None),
    "unique_consecutive": row(np.array([1, 1, 2, 1]), dim=None), "isin": row(np.array([1, 2, 3]), np.array([2, 5])),
    "searchsorted": row(np.array([1, 3, 5]), np.array([2, 3]), None, side="left", out_int32=False),
    "one_hot": row(np.array([0, 2, 1]), num_classes=3), "embedding": row(x(3, 2), np.array([2, 0, 2])),
    "frequencies": row(np.array([0, 2, 2])),
    "embedding_renorm_": row(x(3, 2), np.array([2, 0]), max_norm=1.0, norm_type=2.0),
    # images
    "convolution": row(x(1, 1, 3, 3), x(1, 1, 2, 2), x(1), **PLAIN),
    "convolution_input": row(x(1, 1, 2, 2), x(1, 1, 2, 2), shape=(1, 1, 3, 3), **PLAIN),
    "convolution_weight": row(x(1, 1, 2, 2), x(1, 1, 3, 3), shape=(1, 1, 2, 2), **PLAIN),
    "im2col": row(x(1, 1, 3, 3), **COLUMNS), "col2im": row(x(1, 4, 4), size=(3, 3), **COLUMNS),
    "max_pool": row(x(1, 1, 2, 4), **POOL), "max_pool_scatter": row(x(1, 1, 1, 2), PLACES, shape=(1, 1, 2, 4), **POOL),
    "max_pool_gather": row(x(1, 1, 2, 4), PLACES, **POOL), "max_pool_indices": row(PLACES, width=4, **POOL),
    "avg_pool": row(x(1, 1, 2, 4), **MEAN), "avg_pool_spread": row(x(1, 1, 1, 2), shape=(1, 1, 2, 4), **MEAN),
    # made from nothing, and at random
    "full": row(size=(3,), fill_value=1.5, dtype=FLOAT), "empty": row(size=(3,), dtype=FLOAT),
    "arange": row(start=0, step=1, length=4, dtype=as_dtype("int64")),
    "linspace": row(start=0.0, end=1.0, steps=4, dtype=FLOAT),
    "logspace": row(start=0.0, end=2.0, steps=3, base=10.0, dtype=FLOAT), "eye": row(n=2, m=3, dtype=FLOAT),
    "triangle_indices": row(row=3, col=3, offset=0, upper=True, dtype=as_dtype("int64")),
    "rand": row(size=(3,)), "randn": row(size=(3,)), "randint": row(low=0, high=9, size=(3,)), "randperm": row(n=4),
    "normal_of_size": row(size=(3,), mean=1.0, std=2.0), "rand_like": row(x(3)), "randn_like": row(x(3)),
    "randint_like": row(x(3), low=0, high=9), "normal": row(x(3), x(3, low=0)), "bernoulli": row(x(3, low=0, high=1)),
    "multinomial": row(x(4, low=0), num_samples=2), "uniform_": row(x(3)), "normal_": row(x(3)),
    "random_": row(x(3), high=9), "bernoulli_": row(x(3), 0.5), "exponential_": row(x(3)), "cauchy_": row(x(3)),
    "log_normal_": row(x(3)), "geometric_": row(x(3), p=0.3), "dropout_mask": row(x(4), p=0.5),
    "keep_mask": row(x(4), p=0.5), "rrelu_noise": row(x(3), lower=0.1, upper=0.3),
    # elementwise, but with something that a domain does not say
    "threshold_backward": row(x(3), x(3)), "trunc_divide": row(x(3), x(3, low=0)),
    "polygamma_of": row(x(3, low=0), n=1),
    # a step of an optimiser
    "sgd_": row(x(3), x(3), x(3), lr=0.1, momentum=0.9, dampening=0.0, nesterov=False, l1=0.0, **_PLAIN),
    "adagrad_": row(*_STEP, x(3, low=0), lr=0.1, lr_decay=0.0, eps=1e-10, **_PLAIN),
    "adam_": row(*_STEP, x(3), x(3, low=0), None, decoupled_weight_decay=False, amsgrad=False, l1=0.0, **_ADAM),
    "nadam_": row(
        x(3), x(3), np.array(1.0), np.array(1.0), x(3), x(3, low=0), momentum_decay=0.004,
        decoupled_weight_decay=False, **_ADAM,
    ),
    "radam_": row(*_STEP, x(3), x(3, low=0), decoupled_weight_decay=False, **_ADAM),
    "adamax_": row(*_STEP, x(3), x(3, low=0), **_ADAM),
    "adadelta_": row(*_STEP, x(3, low=0), x(3, low=0), lr=1.0, rho=0.9, eps=1e-6, **_PLAIN),
    "rmsprop_": row(
        *_STEP, x(3, low=0), None, None, lr=0.1, alpha=0.99, eps=1e-8, momentum=0.0, centered=False, **_PLAIN
    ),
    "rprop_": row(*_STEP, x(3), x(3, low=0), lr=0.1, etas=(0.5, 1.2), step_sizes=(1e-6, 50.0), maximize=False),
    "asgd_": row(
        *_STEP, np.array(0.1), np.array(1.0), x(3), lr=0.1, lambd=1e-4, alpha=0.75, t0=1e6, **_PLAIN
    ),
}  # fmt: skip


def example_of(op: Op, shapes: list[tuple[int, ...]] | None = None) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments and attributes for a call of the op that is small enough to look at.

    `shapes`, one for each float tensor in order, replace those of the example.

    Raises:
        LookupError: the op has no domain and no row: give an example of your own.
        ValueError: more shapes than the example has float tensors.
    """
    args, attributes = ROWS_OF.get(op.name) or ROWS_OF.get(op.name.removesuffix("_")) or _from_domain(op)
    if shapes:
        floats = [i for i, value in enumerate(args) if isinstance(value, X)]
        if len(shapes) > len(floats):
            names = ", ".join(op.inputs) or "none"
            raise ValueError(f"{op.name} has {len(floats)} tensors to give a shape ({names}), received {len(shapes)}")
        new = list(args)
        for i, shape in zip(floats, shapes, strict=False):
            new[i] = X(shape, args[i].low, args[i].high, args[i].ordered)
        args = tuple(new)
    offset, made = 0, list(args)
    for i, argument in enumerate(args):
        if isinstance(argument, X):
            made[i] = from_data(fill(argument, offset, op.domain))
            offset += int(np.prod(argument.shape, dtype=int))
        elif isinstance(argument, np.ndarray):
            made[i] = from_data(argument.copy())
    return tuple(made), dict(attributes)


def _from_domain(op: Op) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if op.domain is None or not op.elementwise or REQUIRED in op.attributes.values():
        raise LookupError(
            f"there is no example for {op.name}; give one: explain({op.name!r}, "
            f"{', '.join(op.inputs) or 'its arguments'})"
        )
    if op.domain.integers:
        return tuple(np.array(entry) for entry in ([6, 4, 9], [4, 3, 2], [1, 2, 1])[: len(op.inputs)]), {}
    shapes = ((3,),) if len(op.inputs) == 1 else ((2, 3), (3,), (2, 1))  # the first is the largest: for those in place
    return tuple(X(shape) for shape in shapes[: len(op.inputs)]), {}


def fill(what: X, offset: int, domain: Domain | None) -> np.ndarray:
    """Numbers for an array: easy ones that lie in the domain, else evenly spaced ones."""
    low, high, kinks, margin = what.low, what.high, (), 0.05
    if domain is not None:
        low, high, kinks, margin = max(low, domain.low), min(high, domain.high), domain.kinks, domain.margin
    count = int(np.prod(what.shape, dtype=int))

    def inside(item: float) -> bool:
        return low + margin < item < high - margin and all(abs(item - kink) > margin for kink in kinks)

    easy = [number for number in EASY if inside(number)]
    if len(easy) < 10:
        bottom, top = (low if isfinite(low) else high - 4), (high if isfinite(high) else low + 4)
        steps = [round(bottom + (top - bottom) * (i + 0.5) / 20, 3) for i in range(20)]
        easy = [step for step in (steps[7 * i % 20] for i in range(20)) if inside(step)] or [0.5 * (bottom + top)]
    numbers = []
    for i in range(offset, offset + count):  # when all are used, again with one digit more: no two are equal
        extra = 0.013 * (i // len(easy))
        entry = easy[i % len(easy)]
        numbers.append(round(entry + extra if inside(entry + extra) else entry - extra, 3))
    made = np.array(numbers).reshape(what.shape)
    return np.sort(made, -1) if what.ordered else made
