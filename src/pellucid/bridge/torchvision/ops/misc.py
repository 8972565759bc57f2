"""Layers that models share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pellucid
from pellucid import nn
from pellucid.core import Tensor

__all__ = [
    "MLP", "Conv2dNormActivation", "DropBlock2d", "FrozenBatchNorm2d", "Permute", "SqueezeExcitation",
    "StochasticDepth", "drop_block2d", "stochastic_depth",
]  # fmt: skip


def stochastic_depth(input: Tensor, p: float, mode: str, training: bool = True) -> Tensor:
    """0 with probability p for the whole ("batch") or for each sample ("row"), else divided by 1 − p.

    Huang et al., https://arxiv.org/abs/1603.09382.
    """
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"drop probability has to be between 0 and 1, but got {p}")
    if mode not in ("batch", "row"):
        raise ValueError(f"mode has to be either 'batch' or 'row', but got {mode}")
    if not training or p == 0.0:
        return input
    size = [input.shape[0] if mode == "row" else 1, *[1] * (input.ndim - 1)]
    kept = pellucid.empty(size, dtype=input.dtype).bernoulli_(1.0 - p)
    return input * (kept.div_(1.0 - p) if p < 1.0 else kept)


class StochasticDepth(nn.Module):
    """See `stochastic_depth`."""

    def __init__(self, p: float, mode: str) -> None:
        super().__init__()
        self.p, self.mode = p, mode

    def forward(self, input: Tensor) -> Tensor:
        return stochastic_depth(input, self.p, self.mode, self.training)

    def __repr__(self) -> str:
        return f"StochasticDepth(p={self.p}, mode={self.mode})"


def drop_block2d(
    input: Tensor, p: float, block_size: int, inplace: bool = False, eps: float = 1e-06, training: bool = True
) -> Tensor:
    """0 in squares of a feature map, the rest made larger by what is missing (https://arxiv.org/abs/1810.12890)."""
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"drop probability has to be between 0 and 1, but got {p}.")
    if input.ndim != 4:
        raise ValueError(f"input should be 4 dimensional. Got {input.ndim} dimensions.")
    if not training or p == 0.0:
        return input
    n, c, h, w = input.shape
    size = min(block_size, w, h)
    gamma = p * h * w / (size**2 * (h - size + 1) * (w - size + 1))
    first = pellucid.empty((n, c, h - size + 1, w - size + 1), dtype=input.dtype).bernoulli_(gamma)
    padded = nn.functional.pad(first, [size // 2] * 4, value=0)
    kept = 1 - nn.functional.max_pool2d(padded, stride=(1, 1), kernel_size=(size, size), padding=size // 2)
    scale = kept.numel() / (eps + kept.sum())
    return input.mul_(kept).mul_(scale) if inplace else input * kept * scale


class DropBlock2d(nn.Module):
    """See `drop_block2d`."""

    def __init__(self, p: float, block_size: int, inplace: bool = False, eps: float = 1e-06) -> None:
        super().__init__()
        self.p, self.block_size, self.inplace, self.eps = p, block_size, inplace, eps

    def forward(self, input: Tensor) -> Tensor:
        return drop_block2d(input, self.p, self.block_size, self.inplace, self.eps, self.training)

    def __repr__(self) -> str:
        return f"DropBlock2d(p={self.p}, block_size={self.block_size}, inplace={self.inplace})"


class FrozenBatchNorm2d(nn.Module):
    """Batch normalisation whose statistics and weights are buffers, which nothing changes."""

    def __init__(self, num_features: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        for name, value in (("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0), ("running_var", 1.0)):
            self.register_buffer(name, pellucid.full((num_features,), value))

    def forward(self, x: Tensor) -> Tensor:
        weight, bias, mean, var = (
            getattr(self, name).reshape(1, -1, 1, 1) for name in ("weight", "bias", "running_mean", "running_var")
        )
        scale = weight * (var + self.eps).rsqrt()
        return x * scale + (bias - mean * scale)

    def __repr__(self) -> str:
        return f"FrozenBatchNorm2d({len(getattr(self, 'weight'))}, eps={self.eps})"  # noqa: B009  a buffer


class Conv2dNormActivation(nn.Sequential):
    """A convolution, a norm, an activation; the size is kept unless `stride` says otherwise."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Any = 3, stride: Any = 1, padding: Any = None,
        groups: int = 1, norm_layer: Callable[..., nn.Module] | None = nn.BatchNorm2d,
        activation_layer: Callable[..., nn.Module] | None = nn.ReLU, dilation: Any = 1, inplace: bool | None = True,
        bias: bool | None = None,
    ) -> None:  # fmt: skip
        if padding is None:
            sizes, wide = (value if isinstance(value, tuple) else (value,) * 2 for value in (kernel_size, dilation))
            padding = tuple((size - 1) // 2 * by for size, by in zip(sizes, wide, strict=True))
        bias = norm_layer is None if bias is None else bias
        layers: list[nn.Module] = [
            nn.Conv2d(
                in_channels, out_channels, kernel_size, stride, padding, dilation=dilation, groups=groups, bias=bias
            )
        ]
        if norm_layer is not None:
            layers.append(norm_layer(out_channels))
        if activation_layer is not None:
            layers.append(activation_layer(**({} if inplace is None else {"inplace": inplace})))
        super().__init__(*layers)
        self.out_channels = out_channels


class SqueezeExcitation(nn.Module):
    """Each channel times a number that all channels' means give (Hu et al., https://arxiv.org/abs/1709.01507)."""

    def __init__(
        self, input_channels: int, squeeze_channels: int, activation: Callable[..., nn.Module] = nn.ReLU,
        scale_activation: Callable[..., nn.Module] = nn.Sigmoid,
    ) -> None:  # fmt: skip
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(input_channels, squeeze_channels, 1)
        self.fc2 = nn.Conv2d(squeeze_channels, input_channels, 1)
        self.activation, self.scale_activation = activation(), scale_activation()

    def forward(self, input: Tensor) -> Tensor:
        return self.scale_activation(self.fc2(self.activation(self.fc1(self.avgpool(input))))) * input


class MLP(nn.Sequential):
    """Linear layers, each but the last with a norm, an activation and dropout."""

    def __init__(
        self, in_channels: int, hidden_channels: list[int], norm_layer: Callable[..., nn.Module] | None = None,
        activation_layer: Callable[..., nn.Module] | None = nn.ReLU, inplace: bool | None = None, bias: bool = True,
        dropout: float = 0.0,
    ) -> None:  # fmt: skip
        options: dict[str, Any] = {} if inplace is None else {"inplace": inplace}
        layers, before = list[nn.Module](), in_channels
        for width in hidden_channels[:-1]:
            layers.append(nn.Linear(before, width, bias=bias))
            if norm_layer is not None:
                layers.append(norm_layer(width))
            if activation_layer is not None:
                layers.append(activation_layer(**options))
            layers.append(nn.Dropout(dropout, **options))
            before = width
        super().__init__(*layers, nn.Linear(before, hidden_channels[-1], bias=bias), nn.Dropout(dropout, **options))


class Permute(nn.Module):
    """The dimensions in another order."""

    def __init__(self, dims: list[int]) -> None:
        super().__init__()
        self.dims = dims

    def forward(self, x: Tensor) -> Tensor:
        return pellucid.permute(x, self.dims)
