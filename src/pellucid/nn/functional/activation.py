"""Activations: functions of each element (or, softmax and its kin, of each row) between the layers.

With ``inplace=True`` the result is also stored in the input.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import Any

from ...core import Tensor, called
from ...ops.refusals import without
from .. import vocabulary as ops

__all__ = [
    "celu",
    "celu_",
    "elu",
    "elu_",
    "gelu",
    "glu",
    "gumbel_softmax",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "hardtanh_",
    "leaky_relu",
    "leaky_relu_",
    "log_softmax",
    "logsigmoid",
    "mish",
    "prelu",
    "relu",
    "relu_",
    "relu6",
    "rrelu",
    "rrelu_",
    "selu",
    "selu_",
    "sigmoid",
    "silu",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
    "threshold_",
]

_SELU_ALPHA = 1.6732632423543772848170429916717
_SELU_SCALE = 1.0507009873554804934193349852946


def _source(input: Tensor, inplace: bool) -> Tensor:
    """What to compute from: where the input will be overwritten, backward needs a copy of it."""
    return input.clone() if inplace else input


def _stored(input: Tensor, result: Tensor, inplace: bool, name: str | None = None) -> Tensor:
    """The result, in the input if it is asked for; ``name`` is what PyTorch calls the node of the in-place form."""
    if not inplace:
        return result
    stored = input.copy_(result)
    if stored.grad_fn is not None and result.grad_fn is not None:
        stored.grad_fn.called = name or result.grad_fn.name()
    return stored


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(x, 0)."""
    return _stored(input, ops.relu(input.clone()), True) if inplace else ops.relu(input)


def sigmoid(input: Tensor) -> Tensor:
    """1 / (1 + e^-x)."""
    return ops.sigmoid(input)


def tanh(input: Tensor) -> Tensor:
    """Hyperbolic tangent."""
    return ops.tanh(input)


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """clamp(x, min_val, max_val), with gradient 0 at the bounds themselves."""
    if min_val > max_val:
        raise ValueError(f"min_val cannot be greater than max_val, but got {min_val} and {max_val}")
    if not input.is_floating_point():
        min_val, max_val = int(min_val), int(max_val)
    return _stored(input, ops.hardtanh(_source(input, inplace), min_val=min_val, max_val=max_val), inplace)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(x, 0), 6)."""
    return hardtanh(input, 0.0, 6.0, inplace)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x where positive, else negative_slope · x."""
    return _stored(
        input, ops.leaky_relu(_source(input, inplace), negative_slope=negative_slope), inplace, "LeakyReluBackward1"
    )


@without("bool", "integer", "complex")
@called("RreluWithNoiseBackward0")
def rrelu(
    input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False, inplace: bool = False
) -> Tensor:
    """x where positive, else a · x; a is drawn between ``lower`` and ``upper`` in training, else it is their mean."""
    if lower > upper:
        raise RuntimeError(
            f"Lower bound should be less than or equal to the upper bound, but got lower={lower}, upper={upper}"
        )
    return _stored(
        input, ops.rrelu(_source(input, inplace), lower, upper, training), inplace, "RreluWithNoiseBackward1"
    )


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """x where positive, else weight · x; a weight of more than one element is one for each channel (dimension 1)."""
    if input.dtype is not weight.dtype:
        raise RuntimeError(
            f"prelu: Type promoting not supported. Got {input.dtype!r} and {weight.dtype!r}: write "
            "input.to(weight.dtype)"
        )
    if weight.numel() != 1:
        channels = input.shape[1] if input.ndim > 1 else 1
        if weight.ndim != 1 or weight.numel() != channels:
            raise RuntimeError(
                f"prelu takes one weight, or one for each of the {channels} channels of an input of shape "
                f"{tuple(input.shape)}, but got a weight of shape {tuple(weight.shape)}"
            )
        weight = weight.reshape(-1, *(1 for _ in input.shape[2:]))
    elif input.ndim == 0:
        weight = weight.reshape(())
    return ops.prelu(input, weight)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where positive, else alpha · (e^x - 1)."""
    result = ops.elu(_source(input, inplace), alpha=alpha)
    return _stored(input, result, inplace, "EluBackward1")


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """ELU with the alpha and the scale that keep mean 0 and variance 1 (arXiv:1706.02515)."""
    return _stored(
        input, ops.elu(_source(input, inplace), alpha=_SELU_ALPHA, scale=_SELU_SCALE), inplace, "EluBackward1"
    )


@called("CeluBackward0")
def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where positive, else alpha · (e^(x / alpha) - 1)."""
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    return _stored(
        input, ops.elu(_source(input, inplace), alpha=alpha, input_scale=1.0 / alpha), inplace, "CeluBackward1"
    )


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """x · sigmoid(x)."""
    return _stored(input, ops.silu(_source(input, inplace)), inplace)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """x · tanh(softplus(x))."""
    return _stored(input, ops.mish(_source(input, inplace)), inplace)


@without("bool", "integer", "complex")
@called("HardsigmoidBackward0")
def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """clamp(x / 6 + 1 / 2, 0, 1)."""
    x = _source(input, inplace)
    return _stored(input, hardtanh(x + 3.0, 0.0, 6.0) / 6.0, inplace, "HardsigmoidBackward0")


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """x · hardsigmoid(x)."""
    return _stored(input, ops.hardswish(_source(input, inplace)), inplace)


@without("bool", "complex")
@called("ThresholdBackward0")
def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """x where above ``threshold``, else ``value``."""
    x = ops.kinked(_source(input, inplace))
    if not input.is_floating_point():
        value = int(value)
    return _stored(input, ops.where(x <= threshold, value, x), inplace, "ThresholdBackward1")


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """x · Φ(x); with ``approximate="tanh"`` x / 2 · (1 + tanh(√(2/π) · (x + 0.044715 x³)))."""
    return ops.gelu(input, approximate=approximate)


@without("bool", "integer", "complex")
@called("GluBackward0")
def glu(input: Tensor, dim: int = -1) -> Tensor:
    """a · sigmoid(b) for the halves a and b along ``dim``."""
    if input.ndim == 0 or input.shape[dim] % 2:
        raise RuntimeError(
            f"Halving dimension must be even, but dimension {dim} of an input of shape {tuple(input.shape)} is not"
        )
    half = input.shape[dim] // 2
    return input.narrow(dim, 0, half) * ops.sigmoid(input.narrow(dim, half, half))


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + e^(beta · x)) / beta, or x where beta · x is above ``threshold``."""
    return ops.softplus(input, beta=beta, threshold=threshold)


def logsigmoid(input: Tensor) -> Tensor:
    """log(1 / (1 + e^-x))."""
    return ops.logsigmoid(input)


@called("DivBackward0")
def softsign(input: Tensor) -> Tensor:
    """x / (1 + |x|)."""
    return input / (input.abs() + 1)


def tanhshrink(input: Tensor) -> Tensor:
    """x - tanh(x)."""
    return input - input.tanh()


@without("bool", "integer", "complex")
@called("SoftshrinkBackward0")
def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x moved towards 0 by ``lambd``, and 0 in between."""
    if not lambd >= 0:
        raise RuntimeError(f"lambda must be greater or equal to 0, but found to be {lambd}")
    input = ops.kinked(input)
    return ops.where(input > lambd, input - lambd, ops.where(input < -lambd, input + lambd, input * 0.0))


@without("bool", "integer", "complex")
@called("HardshrinkBackward0")
def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x where it is beyond ±``lambd``, else 0."""
    input = ops.kinked(input)
    return ops.where((input >= -lambd) & (input <= lambd), 0.0, input)


def softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """e^x over the sum of e^x along ``dim``."""
    return ops.softmax(input, dim=_dimension("softmax", input, dim), dtype=dtype)


def softmin(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """The softmax of -x."""
    return ops.softmax(-input, dim=_dimension("softmin", input, dim), dtype=dtype)


def log_softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """log(softmax(x)), computed safely."""
    return ops.log_softmax(input, dim=_dimension("log_softmax", input, dim), dtype=dtype)


def _dimension(name: str, input: Tensor, dim: int | None) -> int:
    if dim is not None:
        return dim
    guess = 0 if input.ndim in (0, 1, 3) else 1
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as an argument: "
        f"for this input of shape {tuple(input.shape)}, dim={guess} was taken",
        stacklevel=4,
    )
    return guess


def gumbel_softmax(logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Tensor:
    """A sample of the Gumbel-softmax distribution at the temperature ``tau`` (arXiv:1611.01144).

    With ``hard`` it is one-hot, and has the gradient of the soft sample.
    """
    noise = -ops.empty_like(logits.detach()).exponential_().log()
    soft = ops.softmax((logits + noise) / tau, dim=dim)
    if not hard:
        return soft
    chosen = ops.zeros_like(logits.detach()).scatter_(dim, soft.detach().argmax(dim, keepdim=True), 1.0)
    return chosen - soft.detach() + soft


def _in_place(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """``function`` with ``inplace=True``, under its name with an underscore."""
    signature = inspect.signature(function)
    kept = [argument for name, argument in signature.parameters.items() if name != "inplace"]

    def changed(*args: Any, **kwargs: Any) -> Tensor:
        return function(*args, **kwargs, inplace=True)

    changed.__name__ = changed.__qualname__ = f"{function.__name__}_"
    changed.__doc__ = f"`{function.__name__}`, stored in the input: {function.__doc__}"
    changed.__module__ = __name__
    changed.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]
    return changed


celu_ = _in_place(celu)
elu_ = _in_place(elu)
hardtanh_ = _in_place(hardtanh)
leaky_relu_ = _in_place(leaky_relu)
relu_ = _in_place(relu)
rrelu_ = _in_place(rrelu)
selu_ = _in_place(selu)
threshold_ = _in_place(threshold)
