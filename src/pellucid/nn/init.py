"""How weights start: each function fills a tensor in place, without gradient, and returns it.

They draw PyTorch's numbers: after the same ``manual_seed``, the same weights.
"""

from __future__ import annotations

import functools
import math
import warnings
from typing import Any

from pellucid.torch_names import lacking

from ..core import Tensor, no_grad
from ..core.tensor import wrap
from ..random import Generator, default_generator
from ..types.dtypes import bfloat16, float32

__all__ = [
    "calculate_gain",
    "constant_",
    "dirac_",
    "eye_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "sparse_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]


@no_grad()
def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Uniform in [a, b)."""
    return tensor.uniform_(a, b, generator=generator)


@no_grad()
def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Normal with the given mean and standard deviation."""
    return tensor.normal_(mean, std, generator=generator)


@no_grad()
def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Normal, with what falls outside [a, b] drawn again. The bounds are absolute, not in units of ``std``."""
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. The distribution of values may be "
            "incorrect.",
            stacklevel=3,
        )
    if tensor.is_meta:
        return tensor
    draw = (generator or default_generator).trunc_normal
    return tensor.copy_(wrap(draw(tuple(tensor.shape), mean, std, a, b, tensor.dtype.numpy)))


@no_grad()
def constant_(tensor: Tensor, val: float) -> Tensor:
    """``val`` everywhere."""
    return tensor.fill_(val)


@no_grad()
def ones_(tensor: Tensor) -> Tensor:
    """1 everywhere."""
    return tensor.fill_(1.0)


@no_grad()
def zeros_(tensor: Tensor) -> Tensor:
    """0 everywhere."""
    return tensor.zero_()


@no_grad()
def eye_(tensor: Tensor) -> Tensor:
    """The identity matrix, so that a linear layer starts by handing its input on."""
    _check_dimensions(tensor, 2)
    tensor.zero_()
    tensor.diagonal().fill_(1)
    return tensor


@no_grad()
def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """A 1 in the middle of each kernel of matching channels, so that a convolution starts by handing its input on."""
    if tensor.ndim not in (3, 4, 5):
        raise ValueError(f"Only tensors with 3, 4, or 5 dimensions are supported, but got {tuple(tensor.shape)}")
    if tensor.shape[0] % groups:
        raise ValueError(f"dim 0 must be divisible by groups, but got shape {tuple(tensor.shape)} and {groups=}")
    channels = tensor.shape[0] // groups
    middle = tuple(side // 2 for side in tensor.shape[2:])
    tensor.zero_()
    for group in range(groups):
        for channel in range(min(channels, tensor.shape[1])):
            tensor[(group * channels + channel, channel, *middle)] = 1
    return tensor


@no_grad()
def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Uniform in ±gain·√(6 / (fan_in + fan_out)) (Glorot and Bengio, 2010)."""
    bound = math.sqrt(3.0) * _xavier_std(tensor, gain)
    return tensor.uniform_(-bound, bound, generator=generator)


@no_grad()
def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Normal with standard deviation gain·√(2 / (fan_in + fan_out)) (Glorot and Bengio, 2010)."""
    return tensor.normal_(0.0, _xavier_std(tensor, gain), generator=generator)


@no_grad()
def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Uniform in ±gain·√(3 / fan) (He and others, arXiv:1502.01852); ``a`` is the slope of the leaky ReLU behind."""
    if _is_empty(tensor):
        return tensor
    bound = math.sqrt(3.0) * _kaiming_std(tensor, a, mode, nonlinearity)
    return tensor.uniform_(-bound, bound, generator=generator)


@no_grad()
def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Normal with standard deviation gain / √fan (He and others, arXiv:1502.01852)."""
    if _is_empty(tensor):
        return tensor
    return tensor.normal_(0, _kaiming_std(tensor, a, mode, nonlinearity), generator=generator)


@no_grad()
def orthogonal_(tensor: Tensor, gain: float = 1, generator: Generator | None = None) -> Tensor:
    """Rows (or columns, if fewer) orthonormal times ``gain``; dimensions after the first are flattened.

    By QR of a normal matrix (Saxe and others, arXiv:1312.6120), with the signs that make it uniform
    (arXiv:math-ph/0609050).
    """
    if tensor.ndim < 2:
        raise ValueError(f"Only tensors with 2 or more dimensions are supported, but got {tuple(tensor.shape)}")
    if tensor.numel() == 0 or tensor.is_meta:
        return tensor
    rows = tensor.shape[0]
    columns = tensor.numel() // rows
    numbers = (generator or default_generator).normal(
        (rows, columns), 0.0, 1.0, (float32 if tensor.dtype is bfloat16 else tensor.dtype).numpy
    )
    import numpy as np

    q, r = np.linalg.qr(numbers.T if rows < columns else numbers)
    q = q * np.sign(np.diagonal(r))
    q = q.T if rows < columns else q
    tensor.copy_(wrap(np.ascontiguousarray(q)).reshape(tensor.shape))
    return tensor.mul_(gain)


@no_grad()
def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None) -> Tensor:
    """Normal, with the fraction ``sparsity`` of each column zero (Martens, 2010)."""
    _check_dimensions(tensor, 2)
    if tensor.is_meta:
        return tensor
    rows, columns = tensor.shape
    zeros = math.ceil(sparsity * rows)
    tensor.normal_(0, std, generator=generator)
    for column in range(columns):
        places = default_generator.randperm(rows)[:zeros]  # from the default generator, as in PyTorch
        tensor[wrap(places), column] = 0
    return tensor


_GAINS = {"sigmoid": 1, "tanh": 5.0 / 3, "relu": math.sqrt(2.0), "selu": 3.0 / 4}
_LINEAR = ["linear", *(f"conv{kind}{dims}d" for kind in ("", "_transpose") for dims in (1, 2, 3))]


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """By how much weights before ``nonlinearity`` are scaled up to keep the variance of what passes through.

    >>> calculate_gain("leaky_relu", 0.2)
    1.3867504905630728
    """
    if nonlinearity in _LINEAR:
        return 1
    if nonlinearity == "leaky_relu":
        if param is None:
            param = 0.01
        if isinstance(param, bool) or not isinstance(param, (int, float)):
            raise ValueError(f"negative_slope {param} not a valid number")
        return math.sqrt(2.0 / (1 + param**2))
    if nonlinearity not in _GAINS:
        raise ValueError(
            f"Unsupported nonlinearity {nonlinearity}: it is one of {', '.join([*_LINEAR, *_GAINS, 'leaky_relu'])}"
        )
    return _GAINS[nonlinearity]


def _calculate_fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    """How many inputs reach an output, and how many outputs an input reaches."""
    if tensor.ndim < 2:
        raise ValueError(
            "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions, "
            f"but got shape {tuple(tensor.shape)}"
        )
    receptive = math.prod(tensor.shape[2:])
    return tensor.shape[1] * receptive, tensor.shape[0] * receptive


def _xavier_std(tensor: Tensor, gain: float) -> float:
    return gain * math.sqrt(2.0 / float(sum(_calculate_fan_in_and_fan_out(tensor))))


def _calculate_correct_fan(tensor: Tensor, mode: str) -> int:
    """The one of the two that `mode` says."""
    if mode.lower() not in ("fan_in", "fan_out"):
        raise ValueError(f"Mode {mode} not supported, please use one of ['fan_in', 'fan_out']")
    return _calculate_fan_in_and_fan_out(tensor)[mode.lower() == "fan_out"]


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    return calculate_gain(nonlinearity, a) / math.sqrt(_calculate_correct_fan(tensor, mode))


def _is_empty(tensor: Tensor) -> bool:
    if 0 in tensor.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=4)
        return True
    return False


def _check_dimensions(tensor: Tensor, wanted: int) -> None:
    if tensor.ndim != wanted:
        raise ValueError(f"Only tensors with {wanted} dimensions are supported, but got shape {tuple(tensor.shape)}")


# Under these names older programs take them, which would not be recorded either.
_no_grad_uniform_, _no_grad_normal_, _no_grad_fill_, _no_grad_zero_ = uniform_, normal_, constant_, zeros_
_no_grad_trunc_normal_ = trunc_normal_


def _former(name: str) -> Any:
    """An initialiser under its name of before PyTorch 0.4, which warns."""
    initialiser = globals()[name]
    old = name.removesuffix("_")

    @functools.wraps(initialiser)
    def former(*args: Any, **kwargs: Any) -> Tensor:
        warnings.warn(f"`nn.init.{old}` is now deprecated in favor of `nn.init.{name}`.", FutureWarning, stacklevel=2)
        return initialiser(*args, **kwargs)

    former.__name__ = former.__qualname__ = old
    former.__doc__ = f"The former name of `{name}`."
    return former


constant = _former("constant_")
dirac = _former("dirac_")
_no_grad_trunc_normal_ = trunc_normal_  # the name that programs import which bring an initialisation of their own
eye = _former("eye_")
kaiming_normal = _former("kaiming_normal_")
kaiming_uniform = _former("kaiming_uniform_")
normal = _former("normal_")
orthogonal = _former("orthogonal_")
sparse = _former("sparse_")
uniform = _former("uniform_")
xavier_normal = _former("xavier_normal_")
xavier_uniform = _former("xavier_uniform_")


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    raise lacking("torch.nn.init", name, __all__)
