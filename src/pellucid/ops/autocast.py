"""Autocast: products in lower precision and losses in float32, for the length of a block.

PyTorch says of some functions in which dtype they run under `torch.autocast("cpu")`, whatever dtype their tensors
have; all others take their tensors as they are. Its lists (aten/src/ATen/autocast_mode.cpp, AutocastCPU) are here,
parted by whether pellucid has the name as an op or as a function composed of ops. The ops are cast behind the door, by
an interpreter; a function is cast as a whole, and what it is composed of then runs as if autocast were off, as in
PyTorch, where its inside is not seen. Casts are ops: the gradient of a float32 weight is float32.

>>> import pellucid
>>> x = pellucid.ones(2, 2)
>>> with pellucid.autocast("cpu", dtype=pellucid.bfloat16):
...     (x @ x).dtype, (x + x).dtype
(torch.bfloat16, torch.float32)
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

from pellucid.core import Declaration, Tensor, state
from pellucid.core import dtype as DType
from pellucid.core.door import Interpreter, below
from pellucid.core.node import Arguments, Attributes
from pellucid.declare import FUNCTIONS, TABLE, spread
from pellucid.types.dtypes import float32, float64

F = TypeVar("F", bound=Callable[..., Any])

_LOWER_OPS = frozenset((
    "attention", "convolution", "convolution_input", "linear", "matmul", "prelu", "rnn_scan",
))  # fmt: skip
_SINGLE_OPS = frozenset((
    "binary_cross_entropy", "cross_entropy", "fourier", "from_half_spectrum", "gru_scan", "half_spectrum",
    "lstm_scan", "nll_loss", "prod", "view_as_complex",
))  # fmt: skip
_LOWER = frozenset((
    "addbmm", "addmm", "baddbmm", "bmm", "conv1d", "conv2d", "conv3d", "conv_tbc", "conv_transpose1d",
    "conv_transpose2d", "conv_transpose3d", "inner", "mm", "scaled_dot_product_attention",
))  # fmt: skip
_SINGLE = frozenset((
    "adaptive_avg_pool3d", "avg_pool3d", "binary_cross_entropy", "binary_cross_entropy_with_logits", "cdist",
    "cholesky", "cholesky_inverse", "cholesky_solve", "cosine_embedding_loss", "cross_entropy", "ctc_loss",
    "grid_sample", "hinge_embedding_loss", "huber_loss", "kl_div", "l1_loss", "lu_solve", "margin_ranking_loss",
    "max_pool3d", "max_unpool2d", "max_unpool3d", "mse_loss", "multi_margin_loss", "multilabel_margin_loss",
    "nanquantile", "nll_loss", "orgqr", "ormqr", "pinverse", "poisson_nll_loss", "polar", "quantile", "smooth_l1_loss",
    "soft_margin_loss", "stft", "trace", "triplet_margin_loss",
))  # fmt: skip
_AS_IT_IS = frozenset((  # composed of products here, and no product to PyTorch's list
    "addbmm_", "addmm_", "addmv", "addmv_", "addr", "baddbmm_", "bilinear", "dot", "kron", "mv", "vdot",
))  # fmt: skip


class Autocast(Interpreter):
    """Casts the tensors of the ops that have a dtype of their own under autocast. `fast` is the lower one."""

    in_backward = False  # backward runs in the dtypes that forward chose

    def __init__(self, fast: DType) -> None:
        self.fast = fast

    def apply(self, op: Declaration, args: Arguments, kwargs: Attributes) -> Any:
        target = self.fast if op.name in _LOWER_OPS else float32 if _is_single(op) else None
        if target is not None:
            args = tuple(self.convert(argument, target) for argument in args)
        return below(self, op, args, kwargs)

    def convert(self, value: Any, target: DType) -> Any:
        """`value`, or if it is a tensor of another floating type than float64, that in the dtype `target`."""
        if isinstance(value, list | tuple):
            entries = [self.convert(entry, target) for entry in cast("list[Any]", value)]
            return entries if isinstance(value, list) else tuple(entries)
        if not isinstance(value, Tensor) or not value.is_floating_point() or value.dtype in (target, float64):
            return value
        return below(self, TABLE["cast"], (value,), {"dtype": target})


def _is_single(op: Declaration) -> bool:
    return op.name in _SINGLE_OPS or op.__module__.startswith("pellucid.ops.linalg.")


def active() -> Autocast | None:
    """The autocast of this thread, if one is on."""
    return next((pushed for pushed in reversed(state.interpreters) if isinstance(pushed, Autocast)), None)


@contextmanager
def autocasting(fast: DType | None) -> Generator[None]:
    """Autocast to `fast` for the length of a `with` block, in place of the one around it; off where `fast` is None."""
    before = state.interpreters
    others = tuple(pushed for pushed in before if not isinstance(pushed, Autocast))
    state.interpreters = others if fast is None else (Autocast(fast), *others)
    try:
        yield
    finally:
        state.interpreters = before


def with_autocast(name: str, function: F) -> F:
    """The function called `name`, which under autocast runs in the dtype that PyTorch's lists say."""
    if name not in _LOWER | _SINGLE | _AS_IT_IS | _SOMETIMES.keys():
        return function

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        found = active() if state.interpreters else None
        if found is None:
            return function(*args, **kwargs)
        target = found.fast if name in _LOWER else float32 if name in _SINGLE else None
        if name in _SOMETIMES:
            target = _SOMETIMES[name](found, *args, **kwargs)
        if target is not None:
            args = tuple(found.convert(value, target) for value in args)
            kwargs = {key: value if key == "out" else found.convert(value, target) for key, value in kwargs.items()}
        with autocasting(None):
            return function(*args, **kwargs)

    return cast("F", called)


def _for_pad(found: Autocast, input: Any, pad: Any, mode: str = "constant", value: Any = None) -> DType | None:
    return float32 if mode in ("reflect", "replicate") else None


def _for_einsum(found: Autocast, equation: Any, *operands: Any) -> DType | None:
    return found.fast if len(spread(operands)) > 1 else None  # PyTorch computes it by `bmm`


_SOMETIMES: dict[str, Callable[..., DType | None]] = {"einsum": _for_einsum, "pad": _for_pad}


def install() -> None:
    """Have the functions that are composed of ops follow autocast, once all are declared."""
    for name, function in FUNCTIONS.items():
        made = with_autocast(name, function)
        if made is not function:
            FUNCTIONS[name] = made
            if Tensor.__dict__.get(name) is function:
                setattr(Tensor, name, made)
    for name in _AS_IT_IS - FUNCTIONS.keys():
        if callable(made := Tensor.__dict__.get(name)) and name not in TABLE:
            setattr(Tensor, name, with_autocast(name, made))
