"""Which dtypes an op refuses: those for which it has no meaning, or for which PyTorch has no kernel.

A whole number given to an activation or a loss is nearly always a mistake (labels for scores, pixels not yet scaled),
and PyTorch refuses it, where NumPy would compute. The ops are listed here by what they refuse; a function composed of
ops says so with `without` at its definition.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

from pellucid.core import Tensor, result_type
from pellucid.core.promotion import refused_dtype
from pellucid.declare import TABLE
from pellucid.types.dtypes import ALL, category

F = TypeVar("F", bound=Callable[..., Any])

_BOOL, _WHOLE, _COMPLEX = 0, 1, 3  # the categories of dtypes

_WITHOUT_ORDER = (  # complex numbers have none
    "lt le gt ge maximum minimum fmax fmin clamp clamp_min clamp_max sort argsort topk kthvalue_along median_along "
    "nanmedian_along median nanmedian mode_along max min max_along min_along amax amin argmax argmin cummax cummin "
    "floor ceil trunc round frac remainder fmod floor_divide trunc_divide atan2 hypot copysign nextafter heaviside "
    "signbit sign logaddexp logaddexp2 logsumexp erf erfc erfinv lgamma digamma polygamma_of relu leaky_relu elu "
    "mish softplus logsigmoid gelu hardtanh hardswish prelu logit xlogy bitwise_and bitwise_or bitwise_xor "
    "bitwise_not bitwise_left_shift bitwise_right_shift gcd lcm histc bincount histogram searchsorted unique "
    "unique_consecutive deg2rad rad2deg isposinf isneginf quantile_of_sorted softmax log_softmax cross_entropy "
    "nll_loss binary_cross_entropy dropout_mask multinomial bernoulli max_pool layer_norm batch_norm "
    "igamma igammac isin i0 avg_pool nansum"
)
_WITHOUT_KERNEL = (
    "leaky_relu elu silu mish softplus logsigmoid gelu hardswish hypot logaddexp logaddexp2 nextafter lerp "
    "igamma igammac layer_norm batch_norm binary_cross_entropy nll_loss"
)

_REFUSED = (
    ((_BOOL, _WHOLE), _WITHOUT_KERNEL),
    ((_BOOL,), "matmul linear addcmul isin searchsorted histogram avg_pool"),
    ((_COMPLEX,), _WITHOUT_ORDER),
)


def refuse_dtypes() -> None:
    """Mark the ops that refuse some dtypes, once all are declared."""
    for categories, names in _REFUSED:
        dtypes = {dtype.numpy for dtype in ALL if category(dtype.numpy) in categories}
        for name in names.split():
            for known in (name, name + "_"):
                if known in TABLE:
                    TABLE[known].refuses = TABLE[known].refuses | dtypes


def without(*kinds: str, of: int = 2) -> Callable[[F], F]:
    """For a function composed of ops: it refuses the kinds of dtype named, `"bool"`, `"integer"` and `"complex"`.

    The dtype is that to which the tensors among its first arguments, `of` in number, are promoted.
    """
    categories = {{"bool": _BOOL, "integer": _WHOLE, "complex": _COMPLEX}[kind] for kind in kinds}

    def declare(function: F) -> F:
        @functools.wraps(function)
        def checked(*args: Any, **kwargs: Any) -> Any:
            tensors = [value for value in args[:of] if isinstance(value, Tensor)]
            if tensors:
                kind = tensors[0].dtype if len(tensors) == 1 else result_type(*tensors)
                if category(kind.numpy) in categories:
                    raise refused_dtype(function.__name__, kind)
            return function(*args, **kwargs)

        return cast("F", checked)

    return declare
