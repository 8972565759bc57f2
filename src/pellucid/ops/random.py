"""Random tensors, equal to PyTorch's on a CPU for the same seed and the same calls (see `pellucid.random`).

The draws are ops like any other, with the generator as an attribute (None is the default one): a recorded step that is
replayed draws anew. Their results depend on the state of the generator, so they have no gradient.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid import backend
from pellucid.core import Tensor, apply, as_dtype, called
from pellucid.core import device as Device
from pellucid.core import dtype as DType
from pellucid.declare import TABLE, function, op
from pellucid.declare.arguments import integer
from pellucid.errors import with_line
from pellucid.random import Generator, default_generator
from pellucid.types.bfloat16 import is_narrow, rounded, widened
from pellucid.types.dtypes import float32, get_default_dtype, int64

from .creation import as_sequence, as_size, attributes, some_size
from .node_names import normal_numbers


def _of(generator: Generator | None) -> Generator:
    return default_generator if generator is None else generator


def _made(xp: Any, size: Any, dtype: Any, device: Device | None, draw: Callable[[], Any]) -> Any:
    """What is drawn, as an array of the library `xp`; for tensors without numbers nothing is drawn."""
    if device is not None and not device.backend.has_numbers:
        return xp.empty(size, dtype)
    return xp.asarray(draw())


# --- tensors of a size -----------------------------------------------------------------------------------------------


@op(name="rand", method=False, public=False, any_dtype=True)
def _rand(xp: Any, *, size: Any, generator: Any = None, dtype: DType = float32, device: Any = None) -> Any:
    """Numbers uniform on [0, 1)."""
    return _made(xp, size, dtype.numpy, device, lambda: _of(generator).uniform(size, dtype=dtype.numpy))


@op(name="randn", method=False, public=False, any_dtype=True)
def _randn(xp: Any, *, size: Any, generator: Any = None, dtype: DType = float32, device: Any = None) -> Any:
    """Normal numbers of mean 0 and standard deviation 1."""
    return _made(xp, size, dtype.numpy, device, lambda: _of(generator).normal(size, dtype=dtype.numpy))


@op(name="randint", method=False, public=False, any_dtype=True)
def _randint(
    xp: Any, *, low: int, high: int, size: Any, generator: Any = None, dtype: DType = int64, device: Any = None
) -> Any:
    """Integers from low to high - 1."""
    return _made(xp, size, dtype.numpy, device, lambda: _of(generator).randint(low, high, size, dtype.numpy))


@op(name="randperm", method=False, public=False)
def _randperm(xp: Any, *, n: int, generator: Any = None, dtype: DType = int64, device: Any = None) -> Any:
    """The integers from 0 to n - 1 in random order."""
    return _made(xp, n, dtype.numpy, device, lambda: _of(generator).randperm(n, dtype.numpy))


@op(name="normal_of_size", method=False, public=False, any_dtype=True, reference="torch.normal")
def _normal_of_size(
    xp: Any, *, size: Any, mean: float, std: float, generator: Any = None, dtype: DType = float32, device: Any = None
) -> Any:
    """Normal numbers of `mean` and `std`."""
    return _made(xp, size, dtype.numpy, device, lambda: _of(generator).normal(size, mean, std, dtype.numpy))


def _drawn(name: str, known: dict[str, Any], requires_grad: bool = False) -> Tensor:
    made = apply(TABLE[name], (), known)
    return made.requires_grad_() if requires_grad else made


def _chosen(others: dict[str, Any], default: DType | None = None) -> dict[str, Any]:
    """The attributes of a draw from a call's keywords; those that say nothing here (`layout`, …) may be there."""
    known = attributes(others.pop("dtype", None) or default or get_default_dtype(), others.pop("device", None))
    if (generator := others.pop("generator", None)) is not None:
        known["generator"] = generator
    for name in others:
        if name not in ("layout", "pin_memory", "out", "memory_format"):
            raise TypeError(f"got an unexpected keyword argument {name!r}")
    return known


@function(method=False)
def rand(*size: Any, requires_grad: bool = False, **others: Any) -> Tensor:
    """Numbers uniform on [0, 1), in a tensor of `size`. Keywords: `generator`, `dtype`, `device`, `requires_grad`."""
    size = (others.pop("size"),) if "size" in others else size
    some_size("rand", size)
    return _drawn("rand", {"size": as_size(size), **_chosen(others)}, requires_grad)


@function(method=False)
def randn(*size: Any, requires_grad: bool = False, **others: Any) -> Tensor:
    """Normal numbers of mean 0 and standard deviation 1, in a tensor of `size`. Keywords as `rand`."""
    size = (others.pop("size"),) if "size" in others else size
    some_size("randn", size)
    return _drawn("randn", {"size": as_size(size), **_chosen(others)}, requires_grad)


@function(method=False)
def randint(*bounds: Any, requires_grad: bool = False, **others: Any) -> Tensor:
    """Integers from `low` (0) to `high` - 1, int64: `randint(high, size)` or `randint(low, high, size)`.

    >>> randint(0, 3, (2, 2)).shape
    torch.Size([2, 2])
    """
    size = others.pop("size", None)
    if size is None:
        if not bounds:
            raise TypeError(
                "randint() is missing size; it is called as randint(high, size) or randint(low, high, size)"
            )
        *bounds_, size = bounds
        bounds = tuple(bounds_)
    high = others.pop("high", bounds[-1] if bounds else None)
    low = others.pop("low", bounds[0] if len(bounds) == 2 or (bounds and bounds[-1] is not high) else 0)
    if high is None:
        raise TypeError("randint() is missing high; it is called as randint(high, size) or randint(low, high, size)")
    if len(bounds) > 2:
        raise TypeError(with_line(f"randint() takes at most 3 positional arguments ({len(bounds) + 1} given)"))
    low, high = integer(low, "randint(): low"), integer(high, "randint(): high")
    known = {"low": low, "high": high, "size": as_sequence("randint", size), **_chosen(others, int64)}
    return _drawn("randint", known, requires_grad)


@function(method=False)
def randperm(n: int, *, requires_grad: bool = False, **others: Any) -> Tensor:
    """The integers from 0 to n - 1 in random order, int64."""
    return _drawn("randperm", {"n": n, **_chosen(others, int64)}, requires_grad)


@function(method=False)
def normal(mean: Any = 0.0, std: Any = 1.0, size: Any = None, *, requires_grad: bool = False, **others: Any) -> Tensor:
    """Normal numbers: of numbers `mean` and `std` in a tensor of `size`, or of tensors, one for each element."""
    if size is None and (isinstance(mean, Tensor) or isinstance(std, Tensor)):
        generator = {"generator": others["generator"]} if others.get("generator") is not None else {}
        return TABLE["normal"](mean, std, **generator)
    if size is None:
        raise TypeError(
            "normal() is missing size: give it with numbers for mean and std, or give a tensor for one of them"
        )
    known = {"size": as_sequence("normal", size), "mean": float(mean), "std": float(std), **_chosen(others)}
    return _drawn("normal_of_size", known, requires_grad)


# --- tensors after others --------------------------------------------------------------------------------------------


def _in_memory_order(array: Any) -> tuple[Any, bool]:
    """The array with its dimensions in the order of memory if it is dense, and whether that was a change.

    PyTorch fills dense tensors in this order, and all others in row-major order.
    """
    if array.flags.c_contiguous:
        return array, False
    turned = array.transpose(sorted(range(array.ndim), key=lambda axis: -array.strides[axis]))
    return (turned, True) if turned.flags.c_contiguous else (array, False)


def _fill(array: Any, draw: Callable[[Any], Any]) -> Any:
    """Store in `array`, in PyTorch's order, what `draw(shape)` gives; returns it."""
    if not backend.of_array(array).has_numbers:
        return array
    target, _ = _in_memory_order(array)
    target[...] = draw(target.shape)
    return array


def _after(xp: Any, array: Any, kind: Any, draw: Callable[[Any], Any]) -> Any:
    """A new array that lies in memory as `array` does, drawn in PyTorch's order."""
    return _fill(xp.empty_like(array, dtype=kind), lambda shape: xp.asarray(draw(shape)))


@op(name="rand_like", method=False, public=False, tensors=("input",), any_dtype=True)
def _rand_like(
    xp: Any, input: Any, *, generator: Any = None, dtype: Any = None, device: Any = None, memory_format: Any = None,
    layout: Any = None,
) -> Any:  # fmt: skip
    """Numbers uniform on [0, 1) in the shape and dtype of `input`."""
    kind = input.dtype if dtype is None else as_dtype(dtype).numpy
    return _after(xp, input, kind, lambda shape: _of(generator).uniform(shape, dtype=kind))


@op(name="randn_like", method=False, public=False, tensors=("input",), any_dtype=True)
def _randn_like(
    xp: Any, input: Any, *, generator: Any = None, dtype: Any = None, device: Any = None, memory_format: Any = None,
    layout: Any = None,
) -> Any:  # fmt: skip
    """Normal numbers of mean 0 and standard deviation 1 in the shape and dtype of `input`."""
    kind = input.dtype if dtype is None else as_dtype(dtype).numpy
    made = xp.empty_like(input, dtype=kind)
    dense = bool(made.flags.c_contiguous)
    return _fill(made, lambda shape: xp.asarray(_of(generator).normal(shape, dtype=kind, contiguous=dense)))


@function(method=False)
def rand_like(
    input: Tensor, *, generator: Any = None, dtype: Any = None, device: Any = None, memory_format: Any = None,
    layout: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Numbers uniform on [0, 1) in the shape and dtype of `input`."""
    made = TABLE["rand_like"](input, generator=generator, dtype=dtype, device=device, memory_format=memory_format)
    return made.requires_grad_() if requires_grad else made


@function(method=False)
def randn_like(
    input: Tensor, *, generator: Any = None, dtype: Any = None, device: Any = None, memory_format: Any = None,
    layout: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Normal numbers of mean 0 and standard deviation 1 in the shape and dtype of `input`."""
    made = TABLE["randn_like"](input, generator=generator, dtype=dtype, device=device, memory_format=memory_format)
    return made.requires_grad_() if requires_grad else made


@op(name="randint_like", method=False, public=False, any_dtype=True)
def _randint_like(
    xp: Any, input: Any, *, low: int, high: int, generator: Any = None, dtype: Any = None, device: Any = None
) -> Any:
    """Integers from low to high - 1 in the shape and dtype of `input`."""
    kind = input.dtype if dtype is None else as_dtype(dtype).numpy
    return _after(xp, input, kind, lambda shape: _of(generator).randint(low, high, shape, kind))


@function(method=False)
def randint_like(input: Tensor, *bounds: Any, requires_grad: bool = False, **others: Any) -> Tensor:
    """Integers from `low` (0) to `high` - 1 in the shape and dtype of `input`: `randint_like(input, [low,] high)`."""
    high = others.pop("high", bounds[-1] if bounds else None)
    low = others.pop("low", bounds[0] if len(bounds) == 2 else 0)
    if high is None:
        raise TypeError("randint_like() is missing high; it is called as randint_like(input, high)")
    if len(bounds) > 2:
        raise TypeError(with_line(f"randint_like() takes at most 3 positional arguments ({len(bounds) + 1} given)"))
    low, high = integer(low, "randint_like(): low"), integer(high, "randint_like(): high")
    known = {name: value for name, value in _chosen(others, input.dtype).items() if name != "device"}
    made = TABLE["randint_like"](input, low=low, high=high, **known)
    return made.requires_grad_() if requires_grad else made


@op(name="normal", kind="float", method=False, public=False, node=normal_numbers, any_dtype=True)
def _normal(xp: Any, mean: Any, std: Any, *, generator: Any = None) -> Any:
    """A normal number of mean and standard deviation for each pair of elements."""
    tensors = [entry for entry in (mean, std) if hasattr(entry, "dtype")]
    if not backend.of_array(tensors[0]).has_numbers:
        return xp.empty(xp.broadcast_shapes(*[tensor.shape for tensor in tensors]), tensors[0].dtype)
    mean, std = (widened(entry) if is_narrow(entry) else entry for entry in (mean, std))
    if bool((xp.asarray(std) < 0).any()):
        raise RuntimeError("normal expects all elements of std >= 0.0")
    shape = xp.broadcast_shapes(*[tensor.shape for tensor in tensors])
    drawn = xp.asarray(_of(generator).normal(shape, dtype=tensors[0].dtype))
    if is_narrow(drawn):
        return rounded(widened(rounded(widened(drawn) * std)) + mean)
    return drawn * std + mean


# What is drawn does not follow its parameters: PyTorch gives zeros.
_normal.vjp(mean=lambda m, g, mean: m.zeros_like(mean), std=lambda m, g, std: m.zeros_like(std))


@op(name="bernoulli", method=False, public=False)
def _bernoulli(xp: Any, input: Any, *, generator: Any = None) -> Any:
    """1 with the probability that the element is, else 0."""
    if not backend.of_array(input).has_numbers:
        return xp.empty_like(input)
    target, turned = _in_memory_order(input)
    made = xp.asarray(_of(generator).bernoulli(target, dtype=input.dtype))
    return _fill(xp.empty_like(input), lambda _: made) if turned else made


_bernoulli.vjp(input=lambda m, g: m.zeros_like(g))


@function()
def bernoulli(input: Tensor, p: float | None = None, *, generator: Any = None) -> Tensor:
    """1 with the probability that each element of `input` (or the number `p`) is, else 0, in the dtype of `input`."""
    if p is not None:
        return TABLE["bernoulli_"](TABLE["clone"](input.detach()), p, generator=generator)
    if not input.is_floating_point():
        raise RuntimeError(f"bernoulli expects probabilities of a floating-point dtype, got {input.dtype!r}")
    return TABLE["bernoulli"](input, generator=generator)


@op()
def multinomial(xp: Any, input: Any, *, num_samples: int, replacement: bool = False, generator: Any = None) -> Any:
    """Indices drawn with probabilities proportional to each row: (n,) -> (num_samples,), (m, n) -> (m, num_samples)."""
    if not backend.of_array(input).has_numbers:
        return xp.empty((*input.shape[:-1], num_samples), xp.int64)
    return xp.asarray(_of(generator).multinomial(input, num_samples, replacement))


# --- in place --------------------------------------------------------------------------------------------------------


@op(mutates=(0,), public=False, reference="torch.Tensor.uniform_", any_dtype=True)
def uniform_(xp: Any, input: Any, *, low: float = 0.0, high: float = 1.0, generator: Any = None) -> Any:
    """Fill with numbers uniform on [low, high)."""
    return _fill(input, lambda shape: _of(generator).uniform(shape, low, high, input.dtype))


@op(mutates=(0,), public=False, reference="torch.Tensor.normal_", any_dtype=True)
def normal_(xp: Any, input: Any, *, mean: float = 0.0, std: float = 1.0, generator: Any = None) -> Any:
    """Fill with normal numbers of `mean` and `std`."""
    dense = bool(input.flags.c_contiguous)
    return _fill(input, lambda shape: _of(generator).normal(shape, mean, std, input.dtype, contiguous=dense))


@op(mutates=(0,), public=False, reference="torch.Tensor.random_", any_dtype=True)
def random_(xp: Any, input: Any, *, low: Any = None, high: Any = None, generator: Any = None) -> Any:
    """Fill with integers: `random_()` over all that the dtype can tell apart, `random_(to)`, `random_(from, to)`."""
    source, kind = _of(generator), input.dtype
    if low is None and high is None:
        return _fill(input, lambda shape: source.random(shape, kind))
    if high is None or low is None:
        low, high = 0, low if high is None else high
    return _fill(input, lambda shape: source.randint(low, high, shape, kind))


@op(mutates=(0,), public=False, reference="torch.Tensor.bernoulli_")
def bernoulli_(xp: Any, input: Any, p: Any = 0.5, *, generator: Any = None) -> Any:
    """Fill with 1 with probability `p` (a number, or a tensor that broadcasts), else 0."""
    source = _of(generator)
    if not isinstance(p, int | float) and backend.of_array(input).has_numbers:
        input[...] = xp.asarray(source.bernoulli(p, input.shape, input.dtype))
        return input
    return _fill(input, lambda shape: source.bernoulli(p, shape, input.dtype))


@op(mutates=(0,), public=False, reference="torch.Tensor.exponential_")
def exponential_(xp: Any, input: Any, *, lambd: float = 1.0, generator: Any = None) -> Any:
    """Fill with numbers of density lambd·exp(-lambd·x)."""
    return _fill(input, lambda shape: _of(generator).exponential(shape, lambd, input.dtype))


@op(mutates=(0,), public=False, reference="torch.Tensor.cauchy_")
def cauchy_(xp: Any, input: Any, *, median: float = 0.0, sigma: float = 1.0, generator: Any = None) -> Any:
    """Fill with median + sigma·tan(π·(u - ½)) for uniform u."""
    return _fill(input, lambda shape: _of(generator).cauchy(shape, median, sigma, input.dtype))


@op(mutates=(0,), public=False, reference="torch.Tensor.log_normal_")
def log_normal_(xp: Any, input: Any, *, mean: float = 1.0, std: float = 2.0, generator: Any = None) -> Any:
    """Fill with e to the power of normal numbers of `mean` and `std`."""
    return _fill(input, lambda shape: _of(generator).log_normal(shape, mean, std, input.dtype))


@op(mutates=(0,), public=False, reference="torch.Tensor.geometric_")
def geometric_(xp: Any, input: Any, *, p: float, generator: Any = None) -> Any:
    """Fill with the number of tries up to the first success, each of probability `p`."""
    return _fill(input, lambda shape: _of(generator).geometric(p, shape, input.dtype))


# --- dropout ---------------------------------------------------------------------------------------------------------
# A mask is drawn by an op of its own, and multiplied by: the gradient is that of the product.


@op(method=False, public=False, reference="torch.dropout")
def dropout_mask(xp: Any, input: Any, *, p: float, feature: bool = False, generator: Any = None) -> Any:
    """0 with probability p, else 1/(1 - p), for each element of `input` (each channel of (N, C, …) for `feature`)."""
    source, kind = _of(generator), input.dtype
    if feature and backend.of_array(input).has_numbers:
        return xp.asarray(source.feature_dropout_mask(input.shape, p, kind))
    return _after(xp, input, kind, lambda shape: source.dropout_mask(shape, p, kind))


@op(method=False, public=False, reference="torch.alpha_dropout")
def keep_mask(xp: Any, input: Any, *, p: float, feature: bool = False, generator: Any = None) -> Any:
    """1 with probability 1 - p, else 0, for each element of `input` (each channel for `feature`)."""
    source, kind = _of(generator), input.dtype
    if feature:
        shape = (*input.shape[:2], *(1 for _ in input.shape[2:]))
        return xp.asarray(source.bernoulli(1 - p, shape, kind))
    return _after(xp, input, kind, lambda shape: source.bernoulli(1 - p, shape, kind))


def _dropped(name: str, input: Tensor, p: float, train: bool, feature: bool, inplace: bool) -> Tensor:
    if not 0 <= p <= 1:
        raise RuntimeError(f"dropout probability has to be between 0 and 1, but got {p}")
    if p == 0 or not train or not input.numel():
        return input
    if feature and input.ndim < 2:
        raise RuntimeError(f"Feature dropout requires at least 2 dimensions in the input, but got {tuple(input.shape)}")
    multiply = TABLE["mul_" if inplace else "mul"]
    if p == 1:
        return multiply(input, TABLE["full"](size=(), fill_value=0, dtype=input.dtype))
    attributes = {"feature": True} if feature else {}
    if name == "dropout":
        return multiply(input, TABLE["dropout_mask"](input, p=p, **attributes))
    alpha = 1.7580993408473766  # -(negative limit of SELU); Klambauer et al. 2017, "Self-normalizing neural networks"
    scale = 1 / math.sqrt((alpha * alpha * p + 1) * (1 - p))
    keep = TABLE["keep_mask"](input, p=p, **attributes)
    offset = (keep - 1) * (alpha * scale) + alpha * scale * p
    return TABLE["add_" if inplace else "add"](multiply(input, keep * scale), offset)


def _dropout_function(name: str, feature: bool, inplace: bool, doc: str) -> None:
    def dropout(input: Tensor, p: float, train: bool) -> Tensor:
        return _dropped("alpha" if "alpha" in name else "dropout", input, p, train, feature, inplace)

    dropout.__name__ = dropout.__qualname__ = name
    dropout.__doc__ = doc
    function(method=False)(dropout)


_SELU = (
    "keeping the mean and variance of what SELU gives: dropped elements take SELU's lowest value, then all are scaled."
)
_dropout_function(
    "dropout", False, False, "Zero each element with probability p in training, scale others by 1/(1 - p)."
)
_dropout_function("dropout_", False, True, "In place: zero each element with probability p, scale others by 1/(1 - p).")
_dropout_function("feature_dropout", True, False, "Zero each channel of (N, C, …) with probability p in training.")
_dropout_function("feature_dropout_", True, True, "In place: zero each channel of (N, C, …) with probability p.")
_dropout_function("alpha_dropout", False, False, f"Drop each element with probability p in training, {_SELU}")
_dropout_function("alpha_dropout_", False, True, f"In place: drop each element with probability p, {_SELU}")
_dropout_function("feature_alpha_dropout", True, False, f"Drop each channel with probability p in training, {_SELU}")
_dropout_function("feature_alpha_dropout_", True, True, f"In place: drop each channel with probability p, {_SELU}")


@op(method=False, public=False, reference="torch.nn.functional.rrelu")
def rrelu_noise(xp: Any, input: Any, *, lower: float, upper: float, generator: Any = None) -> Any:
    """A number uniform on [lower, upper) for each element that is not positive, 1 for the others."""
    slope = xp.ones_like(input)
    rows = input <= 0
    slope[rows] = _of(generator).uniform((int(rows.sum()),), lower, upper, np.float64)
    return slope


@function(method=False)
@called("RreluWithNoiseBackward0")
def rrelu(
    input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False, inplace: bool = False
) -> Tensor:
    """Leaky ReLU whose slope below 0 is random in training, (lower + upper) / 2 otherwise (Xu et al. 2015)."""
    multiply = TABLE["mul_" if inplace else "mul"]
    if training:
        return multiply(input, TABLE["rrelu_noise"](input, lower=lower, upper=upper))
    return TABLE["leaky_relu_" if inplace else "leaky_relu"](input, negative_slope=(lower + upper) / 2)
