"""EfficientNet (Tan and Le, https://arxiv.org/abs/1905.11946)."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from pellucid import nn
from pellucid.core import Tensor

from ..ops.misc import Conv2dNormActivation, SqueezeExcitation, StochasticDepth
from .mobilenet import divisible
from .weights import refuse

__all__ = [
    "EfficientNet", "efficientnet_b0", "efficientnet_b1", "efficientnet_b2", "efficientnet_b3", "efficientnet_b4",
    "efficientnet_b5", "efficientnet_b6", "efficientnet_b7",
]  # fmt: skip

# How much wider within, side of the convolution, stride, channels before and after, blocks.
_STAGES = (
    (1, 3, 1, 32, 16, 1), (6, 3, 2, 16, 24, 2), (6, 5, 2, 24, 40, 2), (6, 3, 2, 40, 80, 3), (6, 5, 1, 80, 112, 3),
    (6, 5, 2, 112, 192, 4), (6, 3, 1, 192, 320, 1),
)  # fmt: skip


class MBConv(nn.Module):
    """Wider, along each channel, weighed, narrower again; where the shape stays, what came in is added."""

    def __init__(self, before: int, after: int, wider: int, side: int, stride: int, drop: float, norm: Any) -> None:
        super().__init__()
        self.use_res_connect = stride == 1 and before == after
        within, layers = divisible(before * wider), list[nn.Module]()
        if within != before:
            layers.append(Conv2dNormActivation(before, within, 1, norm_layer=norm, activation_layer=nn.SiLU))
        layers += [
            Conv2dNormActivation(within, within, side, stride, None, within, norm, nn.SiLU),
            SqueezeExcitation(within, max(1, before // 4), activation=partial(nn.SiLU, inplace=True)),
            Conv2dNormActivation(within, after, 1, norm_layer=norm, activation_layer=None),
        ]
        self.block = nn.Sequential(*layers)
        self.stochastic_depth = StochasticDepth(drop, "row")

    def forward(self, input: Tensor) -> Tensor:
        found = self.block(input)
        return self.stochastic_depth(found) + input if self.use_res_connect else found


class EfficientNet(nn.Module):
    """Inverted residuals, wider and deeper by two factors. (B, 3, H, W) -> (B, num_classes)."""

    def __init__(
        self, width_mult: float, depth_mult: float, dropout: float, stochastic_depth_prob: float = 0.2,
        num_classes: int = 1000, norm_layer: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        norm = norm_layer or nn.BatchNorm2d
        width = divisible(32 * width_mult)
        layers: list[nn.Module] = [Conv2dNormActivation(3, width, 3, 2, norm_layer=norm, activation_layer=nn.SiLU)]
        counts = [math.ceil(stage[-1] * depth_mult) for stage in _STAGES]
        done = 0
        for (wider, side, stride, _, after, _), count in zip(_STAGES, counts, strict=True):
            blocks, after = list[nn.Module](), divisible(after * width_mult)
            for i in range(count):
                drop = stochastic_depth_prob * done / sum(counts)
                blocks.append(MBConv(width, after, wider, side, stride if i == 0 else 1, drop, norm))
                width, done = after, done + 1
            layers.append(nn.Sequential(*blocks))
        layers.append(Conv2dNormActivation(width, 4 * width, 1, norm_layer=norm, activation_layer=nn.SiLU))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(p=dropout, inplace=True), nn.Linear(4 * width, num_classes))
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
            elif isinstance(layer, nn.Linear):
                nn.init.uniform_(layer.weight, -1.0 / math.sqrt(num_classes), 1.0 / math.sqrt(num_classes))
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


# Of each width, depth, dropout; from b5 on the norms have settings of their own.
_FACTORS = ((1.0, 1.0, 0.2), (1.0, 1.1, 0.2), (1.1, 1.2, 0.3), (1.2, 1.4, 0.3), (1.4, 1.8, 0.4), (1.6, 2.2, 0.4),
            (1.8, 2.6, 0.5), (2.0, 3.1, 0.5))  # fmt: skip


def _efficientnet(size: int, weights: Any, kwargs: dict[str, Any]) -> EfficientNet:
    refuse(f"efficientnet_b{size}", weights, kwargs)
    width, depth, dropout = _FACTORS[size]
    norm = partial(nn.BatchNorm2d, eps=0.001, momentum=0.01) if size >= 5 else None
    return EfficientNet(width, depth, **{"dropout": dropout, "norm_layer": norm, **kwargs})


def efficientnet_b0(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> EfficientNet:
    """`EfficientNet` B0."""
    return _efficientnet(0, weights, kwargs)


def efficientnet_b1(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> EfficientNet:
    """`EfficientNet` B1."""
    return _efficientnet(1, weights, kwargs)


def efficientnet_b2(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> EfficientNet:
    """`EfficientNet` B2."""
    return _efficientnet(2, weights, kwargs)


def efficientnet_b3(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> EfficientNet:
    """`EfficientNet` B3."""
    return _efficientnet(3, weights, kwargs)


def efficientnet_b4(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> EfficientNet:
    """`EfficientNet` B4."""
    return _efficientnet(4, weights, kwargs)


def efficientnet_b5(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> EfficientNet:
    """`EfficientNet` B5."""
    return _efficientnet(5, weights, kwargs)


def efficientnet_b6(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> EfficientNet:
    """`EfficientNet` B6."""
    return _efficientnet(6, weights, kwargs)


def efficientnet_b7(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> EfficientNet:
    """`EfficientNet` B7."""
    return _efficientnet(7, weights, kwargs)
