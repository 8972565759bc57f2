"""MobileNetV2 (Sandler et al., https://arxiv.org/abs/1801.04381)."""

from __future__ import annotations

from typing import Any

from pellucid import nn
from pellucid.core import Tensor

from .weights import refuse

__all__ = ["MobileNetV2", "divisible", "mobilenet_v2"]


def divisible(value: float, divisor: int = 8) -> int:
    """The nearest multiple of 8 that is not below nine tenths."""
    near = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return near + divisor if near < 0.9 * value else near


def _convolved(before: int, after: int, kernel_size: int = 3, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Convolution, batch normalisation, ReLU6."""
    padding = (kernel_size - 1) // 2
    return nn.Sequential(
        nn.Conv2d(before, after, kernel_size, stride, padding, groups=groups, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU6(inplace=True),
    )


class InvertedResidual(nn.Module):
    """Wider, along each channel, narrower again; where the shape stays, what came in is added."""

    def __init__(self, inp: int, oup: int, stride: int, expand_ratio: float) -> None:
        super().__init__()
        hidden = round(inp * expand_ratio)
        self.stride, self.use_res_connect = stride, stride == 1 and inp == oup
        layers: list[nn.Module] = [] if expand_ratio == 1 else [_convolved(inp, hidden, kernel_size=1)]
        layers += [
            _convolved(hidden, hidden, stride=stride, groups=hidden),
            nn.Conv2d(hidden, oup, 1, 1, 0, bias=False),
            nn.BatchNorm2d(oup),
        ]
        self.conv = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


# How much wider, channels, how often, stride.
_SETTING = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


class MobileNetV2(nn.Module):
    """Inverted residuals. (B, 3, H, W) -> (B, num_classes)."""

    def __init__(self, num_classes: int = 1000, width_mult: float = 1.0, dropout: float = 0.2) -> None:
        super().__init__()
        before = divisible(32 * width_mult)
        self.last_channel = divisible(1280 * max(1.0, width_mult))
        features: list[nn.Module] = [_convolved(3, before, stride=2)]
        for t, c, n, s in _SETTING:
            after = divisible(c * width_mult)
            for i in range(n):
                features.append(InvertedResidual(before, after, s if i == 0 else 1, t))
                before = after
        features.append(_convolved(before, self.last_channel, kernel_size=1))
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(nn.Dropout(p=dropout), nn.Linear(self.last_channel, num_classes))
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out")
            elif isinstance(layer, nn.BatchNorm2d):
                nn.init.ones_(layer.weight)
                nn.init.zeros_(layer.bias)
            elif isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, 0, 0.01)
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.adaptive_avg_pool2d(self.features(x), (1, 1))
        return self.classifier(x.flatten(1))


def mobilenet_v2(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> MobileNetV2:
    """`MobileNetV2`, without trained weights."""
    refuse("mobilenet_v2", weights, kwargs)
    return MobileNetV2(**kwargs)
