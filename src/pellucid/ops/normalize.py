"""Normalisation: to mean 0 and variance 1 over some dimensions, then scaled and shifted.

x̂ = (x - mean) / √(var + eps), var with divisor n; y = weight · x̂ + bias. The gradient is that of x̂ (Ioffe and
Szegedy, arXiv:1502.03167, section 3): with r = 1 / √(var + eps) and h = g · weight,
dx = r · (h - mean(h) - x̂ · mean(h · x̂)).
"""

from __future__ import annotations

import math
from typing import Any

from pellucid.core import Tensor, called, real
from pellucid.declare import TABLE, function, op
from pellucid.kernels import rows as native
from pellucid.reverse.vocabulary import of_array
from pellucid.types.dtypes import finfo, float32

from .in_row import in_row, out_of_row
from .reduce import sum as _sum
from .reduction import count_of, widened
from .refusals import without


def _standardised(xp: Any, input: Any, axes: tuple[int, ...], eps: float) -> Any:
    """(x̂, mean, variance, r) over `axes`, kept as dimensions of length 1."""
    x = widened(xp, input)
    middle = average(xp, x, axes)
    made = x - middle
    spread = average(xp, made * made, axes)
    scale = 1 / xp.sqrt(spread + spread.dtype.type(eps))
    made *= scale
    return made, middle, spread, scale


def average(xp: Any, x: Any, axes: tuple[int, ...]) -> Any:
    """The mean over `axes`, kept as dimensions of length 1."""
    last = len(axes)
    while last and axes[last - 1] == x.ndim - len(axes) + last - 1:
        last -= 1
    if x.size and x.flags.c_contiguous and x.ndim - len(axes) + last:
        # The last dimensions first, as one: rows of a matrix are added fast, several dimensions at once are not.
        lead = x.ndim - len(axes) + last
        total = x if last == len(axes) else _row_sums(xp, x, lead)
        if last:
            total = _sum.forward(xp, total, dim=axes[:last], keepdim=True)
    else:
        total = _sum.forward(xp, x, dim=axes, keepdim=True)
    return total / total.dtype.type(x.size // total.size if total.size else 0)


def _row_sums(xp: Any, x: Any, lead: int) -> Any:
    """Sums over all dimensions from `lead` on, kept as dimensions of length 1."""
    sums = _sum.forward(xp, x.reshape(math.prod(x.shape[:lead]), -1), dim=1)
    return sums.reshape(*x.shape[:lead], *[1] * (x.ndim - lead))


def _normal(m: Any, input: Any, dims: Any, eps: float) -> Any:
    apart = input - m.mean(input, dim=dims, keepdim=True)
    return apart * _scale(m, input, dims, eps)


def _scale(m: Any, input: Any, dims: Any, eps: float) -> Any:
    apart = input - m.mean(input, dim=dims, keepdim=True)
    return 1 / m.sqrt(m.mean(apart * apart, dim=dims, keepdim=True) + eps)


@op(public=False, method=False)
def normalize_backward(xp: Any, grad: Any, normal: Any, scale: Any, *, dims: Any) -> Any:
    """scale · (grad - mean(grad) - normal · mean(grad · normal)): the gradient of what normalises over `dims`."""
    made = grad * normal
    along = average(xp, made, dims)
    xp.multiply(normal, along, out=made)
    made += average(xp, grad, dims)
    xp.subtract(grad, made, out=made)
    made *= scale
    return made


def _plain_backward(m: Any, grad: Any, normal: Any, dims: Any) -> Any:
    return (
        grad - m.mean(grad, dim=dims, keepdim=True) - normal * m.mean(grad * normal, dim=dims, keepdim=True)
    )  # without the scale


normalize_backward.vjp(
    grad=lambda m, g, normal, scale, dims: m.normalize_backward(g, normal, scale, dims=dims),
    normal=lambda m, g, grad, normal, scale, dims: (
        -(
            g * scale * m.mean(grad * normal, dim=dims, keepdim=True)
            + grad * m.mean(g * scale * normal, dim=dims, keepdim=True)
        )
    ),
    scale=lambda m, g, grad, normal, dims: m.sum(g * _plain_backward(m, grad, normal, dims), dim=dims, keepdim=True),
)


def _along_channels(m: Any, value: Any, rank: int, channel: bool) -> Any:
    """A weight (C) so that it multiplies dimension 1; one for the last dimensions stays as it is."""
    return m.reshape(value, shape=(1, -1, *[1] * (rank - 2))) if channel and rank > 2 else value


def _weight_rule(m: Any, g: Any, shape: Any, channel: bool) -> Any:
    """Sum `g` over all that a weight of this shape was broadcast over."""
    rank = len(g.shape)
    dims = (0, *range(2, rank)) if channel else tuple(range(rank - len(shape)))
    return m.sum(g, dim=dims) if dims else g


def _affine(xp: Any, made: Any, weight: Any, bias: Any, channel: bool) -> Any:
    """normal · weight + bias, in memory of its own: what backward keeps must not change with the result."""
    out = made.copy() if weight is None else made * _raw_channels(weight, made.ndim, channel)
    if bias is not None:
        out += _raw_channels(bias, made.ndim, channel)
    return out


def _raw_channels(value: Any, rank: int, channel: bool) -> Any:
    return value.reshape(-1, *[1] * (rank - 2)) if channel else value


@op(
    name="layer_norm",
    method=False,
    public=False,
    domain=real(),
    aux=("normal", "scale"),
    node="NativeLayerNormBackward0",
)
def _layer_norm(
    xp: Any, input: Any, weight: Any = None, bias: Any = None, *, dims: tuple[int, ...], eps: float = 1e-5
) -> Any:
    """weight · (x - mean) / √(var + eps) + bias over the last dimensions (Ba et al., arXiv:1607.06450)."""
    found = native.normalise(widened(xp, input), weight, bias, dims, eps, False)
    if found is not None:
        return found[0].astype(input.dtype, copy=False), found[1], found[4]
    normal, _, _, scale = _standardised(xp, input, dims, eps)
    return _affine(xp, normal, weight, bias, False).astype(input.dtype, copy=False), normal, scale


@op(
    name="batch_norm",
    method=False,
    public=False,
    domain=real(),
    aux=("normal", "scale", "mean", "var"),
    node="NativeBatchNormBackward0",
)
def _batch_norm(
    xp: Any, input: Any, weight: Any = None, bias: Any = None, *, dims: tuple[int, ...], eps: float = 1e-5
) -> Any:
    """weight · (x - mean) / √(var + eps) + bias, by channel (dimension 1), over all other dimensions `dims`."""
    found = native.normalise(widened(xp, input), weight, bias, dims, eps, True)
    if found is not None:
        out, normal, middle, spread, scale = found
        return out.astype(input.dtype, copy=False), normal, scale, middle.reshape(-1), spread.reshape(-1)
    normal, middle, spread, scale = _standardised(xp, input, dims, eps)
    out = _affine(xp, normal, weight, bias, True).astype(input.dtype, copy=False)
    return out, normal, scale, middle.reshape(-1), spread.reshape(-1)


for _one, _channel in ((_layer_norm, False), (_batch_norm, True)):
    _one.recomputes(
        normal=lambda m, input, dims, eps: _normal(m, input, dims, eps),
        scale=lambda m, input, dims, eps: _scale(m, input, dims, eps),
    )


def _gradients(m: Any, grad: Any, weight: Any, normal: Any, scale: Any, *, dims: Any, channel: bool) -> Any:
    """The gradients of the input, of the weight and of the bias, one behind the other."""
    rank, shape = len(grad.shape), _affine_shape(normal, dims, channel)
    widened = grad if weight is None else grad * _along_channels(m, weight, rank, channel)
    return in_row(
        m,
        m.normalize_backward(widened, normal, scale, dims=dims),
        _weight_rule(m, grad * normal, shape, channel),
        _weight_rule(m, grad, shape, channel),
    )


def _affine_shape(normal: Any, dims: Any, channel: bool) -> tuple[int, ...]:
    shape = tuple(normal.shape)
    return shape[1:2] if channel else shape[len(shape) - len(dims) :]


@op(public=False, method=False)
def normalize_gradients(xp: Any, grad: Any, weight: Any, normal: Any, scale: Any, *, dims: Any, channel: bool) -> Any:
    """What `layer_norm` and (`channel`) `batch_norm` hand on: the gradients of input, weight, bias in a row."""
    shape = _affine_shape(normal, dims, channel)
    made = xp.empty(grad.size + 2 * math.prod(shape), grad.dtype)
    parts = out_of_row(of_array(made), made, tuple(grad.shape), shape, shape)
    if native.normalise_gradients(grad, weight, normal, scale, dims, channel, parts):
        return made
    return _gradients(of_array(grad), grad, weight, normal, scale, dims=dims, channel=channel)


normalize_gradients.composes(_gradients)


def _sharing(channel: bool) -> Any:
    def shared(m: Any, g: Any, input: Any, weight: Any, normal: Any, scale: Any, dims: Any) -> Any:
        """The gradients, apart; the input is asked for so that it is kept."""
        row = m.normalize_gradients(g, weight, normal, scale, dims=dims, channel=channel)
        shape = _affine_shape(normal, dims, channel)
        return out_of_row(m, row, tuple(g.shape), shape, shape)

    return shared


for _one, _channel in ((_layer_norm, False), (_batch_norm, True)):
    _one.shares(parts=_sharing(_channel))
    _one.vjp(
        input=lambda m, g, parts: parts[0],
        weight=lambda m, g, parts: parts[1],
        bias=lambda m, g, parts: parts[2],
    )


@op(public=False, method=False, mutates=(0, 1))
def update_running_stats_(
    xp: Any, running_mean: Any, running_var: Any, mean: Any, var: Any, *, momentum: float, count: int
) -> Any:
    """Move the running statistics towards a batch's by `momentum`; the variance in its unbiased form, n / (n - 1)."""
    for running, current in ((running_mean, mean), (running_var, var * (count / (count - 1)))):
        if running is not None:
            running *= 1 - momentum
            running += current * momentum
    return running_mean


@function(method=False)
@called("NativeLayerNormBackward0")
def layer_norm(
    input: Tensor,
    normalized_shape: Any,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> Tensor:
    """weight · (x - mean) / √(var + eps) + bias over the last dimensions, whose sizes are `normalized_shape`.

    Shape: input (…, *normalized_shape), weight and bias `normalized_shape`, result as input. Raises RuntimeError where
    these do not fit. Source: Ba, Kiros and Hinton, arXiv:1607.06450.

    >>> import pellucid
    >>> pellucid.layer_norm(pellucid.tensor([1.0, 3.0]), (2,))
    tensor([-1.0000,  1.0000])
    """
    dims = _last_dims("layer_norm", input, normalized_shape, weight, bias)
    return _layer_norm(input, weight, bias, dims=dims, eps=eps)[0]


@function(method=False)
def rms_norm(input: Tensor, normalized_shape: Any, weight: Tensor | None = None, eps: float | None = None) -> Tensor:
    """weight · x / √(mean(x²) + eps) over the last dimensions; `eps` None is the dtype's smallest step at 1.

    Source: Zhang and Sennrich, arXiv:1910.07467.
    """
    dims = _last_dims("rms_norm", input, normalized_shape, weight, None)
    eps = finfo(input.dtype).eps if eps is None else eps
    x = _widened(input)
    found = x * TABLE["rsqrt"](TABLE["mean"](x * x, dim=dims, keepdim=True) + eps)
    return _narrowed(found if weight is None else found * weight, input)


def _widened(input: Any) -> Any:
    """float16 as float32: where several ops follow each other, half precision would lose at each."""
    return TABLE["cast"](input, dtype=float32) if input.itemsize == 2 else input


def _narrowed(found: Any, input: Any) -> Any:
    return found if found.dtype is input.dtype else TABLE["cast"](found, dtype=input.dtype)


def _last_dims(name: str, input: Tensor, normalized_shape: Any, weight: Any, bias: Any) -> tuple[int, ...]:
    sizes = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if not sizes:
        raise RuntimeError(f"{name}: Expected normalized_shape to be at least 1-dimensional, but got an empty one")
    for which, entry in (("weight", weight), ("bias", bias)):
        if entry is not None and tuple(entry.shape) != sizes:
            raise RuntimeError(
                f"{name}: Expected {which} to be of same shape as normalized_shape, but got {which} of shape "
                f"{list(entry.shape)} and normalized_shape = {list(sizes)}"
            )
    if tuple(input.shape[-len(sizes) :]) != sizes:
        raise RuntimeError(
            f"{name}: Given normalized_shape={list(sizes)}, expected input with shape [*, {', '.join(map(str, sizes))}]"
            f", but got input of size{list(input.shape)}"
        )
    return tuple(range(input.ndim - len(sizes), input.ndim))


@without("bool", "integer", "complex", of=1)
@called("NativeBatchNormBackward0")
def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """weight · (x - mean) / √(var + eps) + bias, by channel (dimension 1).

    In training, mean and variance (divisor n) are the batch's own, and the running ones move towards them by
    `momentum`, in place, the variance in its unbiased form; otherwise the running ones are used.

    Shape: input (N, C, …), the others (C), result as input. Raises RuntimeError where they do not fit, ValueError for
    training on one value a channel. Source: Ioffe and Szegedy, arXiv:1502.03167.
    """
    if eps < 0 or (training and not eps):
        allowed = "positive during training" if training else "non-negative"
        raise ValueError(f"batch_norm eps must be {allowed}, but got {eps}")
    if not input.numel():
        found: Any = TABLE["clone"](input)
        found = found if weight is None else found * weight[0]  # pyright: ignore[reportIndexIssue]
        return found if bias is None else found + bias[0]  # pyright: ignore[reportIndexIssue]
    channels = _check_channels("batch_norm", input, running_mean, running_var, weight, bias)
    dims = (0, *range(2, input.ndim))
    if not training:
        if running_mean is None or running_var is None:
            raise RuntimeError("batch_norm: Expected running_mean and running_var to be defined when training=False")
        shape = (1, channels, *[1] * (input.ndim - 2))
        middle: Any = running_mean
        var: Any = running_var
        inverse: Any = TABLE["rsqrt"](var + eps)
        scale = inverse if weight is None else inverse * weight
        shift = -middle * scale if bias is None else bias - middle * scale
        x: Any = input
        return x * TABLE["reshape"](scale, shape=shape) + TABLE["reshape"](shift, shape=shape)
    count = count_of(input.shape, dims)
    if count == 1:
        raise SingleValueError(
            f"Expected more than 1 value per channel when training, got input size {input.shape}: one value has no "
            "variance; give a larger batch, or call model.eval() first to use the running statistics"
        )
    out, _, _, mean, var = _batch_norm(input, weight, bias, dims=dims, eps=eps)
    if running_mean is not None:
        update_running_stats_(running_mean, running_var, mean, var, momentum=momentum, count=count)
    return out


class SingleValueError(ValueError):
    """Batch statistics were asked for where there is one value for each channel."""


def _check_channels(name: str, input: Tensor, *channelwise: Tensor | None) -> int:
    if input.ndim < 2:
        raise RuntimeError(f"{name}: expected at least a 2-d input (N, C, …), but got shape {tuple(input.shape)}")
    channels = input.shape[1]
    for what, entry in zip(("running_mean", "running_var", "weight", "bias"), channelwise, strict=True):
        if entry is not None and entry.numel() != channels:
            raise RuntimeError(f"{name}: {what} should contain {channels} elements not {entry.numel()}")
    return channels


@function(method=False)
@without("bool", "integer", "complex", of=1)
@called("NativeGroupNormBackward0")
def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> Tensor:
    """As `layer_norm` over each of `num_groups` groups of channels, then scaled and shifted by channel.

    Shape: input (N, C, …), weight and bias (C), result as input. Source: Wu and He, arXiv:1803.08494.
    """
    channels = _check_channels("group_norm", input, None, None, weight, bias)
    if num_groups <= 0 or channels % num_groups:
        raise RuntimeError(
            "Expected number of channels in input to be divisible by num_groups, but got input of shape "
            f"{list(input.shape)} and num_groups={num_groups}"
        )
    if not input.numel():
        grouped: Any = input
    else:
        reshape = TABLE["reshape"]
        groups = reshape(_widened(input), shape=(input.shape[0], num_groups, -1))
        grouped = reshape(_layer_norm(groups, None, None, dims=(2,), eps=eps)[0], shape=tuple(input.shape))
    return _narrowed(_scaled(grouped, weight, bias), input)


def _scaled(found: Any, weight: Any, bias: Any) -> Any:
    shape = (1, -1, *[1] * (found.ndim - 2))
    if weight is not None:
        found = found * TABLE["reshape"](weight, shape=shape)
    return found if bias is None else found + TABLE["reshape"](bias, shape=shape)


@called("ViewBackward0")
def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """As `batch_norm`, with the statistics of each sample by itself; the running ones follow the samples' average.

    Shape: input (N, C, …), the others (C). Source: Ulyanov et al., arXiv:1607.08022.
    """
    _check_channels("instance_norm", input, running_mean, running_var, weight, bias)
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    dims = tuple(range(2, input.ndim))
    count = count_of(input.shape, dims)
    if count == 1:
        raise ValueError(f"Expected more than 1 spatial element when training, got input size {input.shape}")
    out, _, _, mean, var = _batch_norm(_widened(input), None, None, dims=dims, eps=eps)
    if running_mean is not None:
        by_sample = tuple(input.shape[:2])
        mean, var = (TABLE["mean"](TABLE["reshape"](moment, shape=by_sample), dim=0) for moment in (mean, var))
        update_running_stats_(running_mean, running_var, mean, var, momentum=momentum, count=count)
    return _narrowed(_scaled(out, weight, bias), input)
