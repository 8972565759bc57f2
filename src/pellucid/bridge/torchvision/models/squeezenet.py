"""SqueezeNet (Iandola et al., https://arxiv.org/abs/1602.07360)."""

from __future__ import annotations

from typing import Any

import pellucid
from pellucid import nn
from pellucid.core import Tensor

from .weights import refuse

__all__ = ["SqueezeNet", "squeezenet1_0", "squeezenet1_1"]


class Fire(nn.Module):
    """Few channels, then many: half by 1 × 1, half by 3 × 3."""

    def __init__(self, inplanes: int, squeeze_planes: int, expand1x1_planes: int, expand3x3_planes: int) -> None:
        super().__init__()
        self.inplanes = inplanes
        self.squeeze = nn.Conv2d(inplanes, squeeze_planes, kernel_size=1)
        self.squeeze_activation = nn.ReLU(inplace=True)
        self.expand1x1 = nn.Conv2d(squeeze_planes, expand1x1_planes, kernel_size=1)
        self.expand1x1_activation = nn.ReLU(inplace=True)
        self.expand3x3 = nn.Conv2d(squeeze_planes, expand3x3_planes, kernel_size=3, padding=1)
        self.expand3x3_activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze_activation(self.squeeze(x))
        small, large = self.expand1x1_activation(self.expand1x1(x)), self.expand3x3_activation(self.expand3x3(x))
        return pellucid.cat([small, large], 1)


# Channels and side of the first convolution; of each Fire its narrow channels and half of its wide ones; "M" pools.
_SETTINGS: dict[str, tuple[tuple[int, int], tuple[Any, ...]]] = {
    "1_0": (
        (96, 7),
        ("M", (16, 64), (16, 64), (32, 128), "M", (32, 128), (48, 192), (48, 192), (64, 256), "M", (64, 256)),
    ),
    "1_1": (
        (64, 3),
        ("M", (16, 64), (16, 64), "M", (32, 128), (32, 128), "M", (48, 192), (48, 192), (64, 256), (64, 256)),
    ),
}  # fmt: skip


class SqueezeNet(nn.Module):
    """Fires, and a last convolution to the classes. (B, 3, H, W) -> (B, num_classes)."""

    def __init__(self, version: str = "1_0", num_classes: int = 1000, dropout: float = 0.5) -> None:
        super().__init__()
        self.num_classes = num_classes
        if version not in _SETTINGS:
            raise ValueError(f"Unsupported SqueezeNet version {version}: 1_0 or 1_1 expected")
        (width, side), following = _SETTINGS[version]
        layers: list[nn.Module] = [nn.Conv2d(3, width, kernel_size=side, stride=2), nn.ReLU(inplace=True)]
        for setting in following:
            if setting == "M":
                layers.append(nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True))
            else:
                layers.append(Fire(width, setting[0], setting[1], setting[1]))
                width = 2 * setting[1]
        self.features = nn.Sequential(*layers)
        last = nn.Conv2d(512, num_classes, kernel_size=1)
        self.classifier = nn.Sequential(
            nn.Dropout(p=dropout), last, nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d((1, 1))
        )
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                if layer is last:
                    nn.init.normal_(layer.weight, mean=0.0, std=0.01)
                else:
                    nn.init.kaiming_uniform_(layer.weight)
                if layer.bias is not None:
                    nn.init.constant_(layer.bias, 0)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x)).flatten(1)


def squeezenet1_0(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> SqueezeNet:
    """`SqueezeNet` 1.0."""
    refuse("squeezenet1_0", weights, kwargs)
    return SqueezeNet("1_0", **kwargs)


def squeezenet1_1(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> SqueezeNet:
    """`SqueezeNet` 1.1, which needs less than half of the work."""
    refuse("squeezenet1_1", weights, kwargs)
    return SqueezeNet("1_1", **kwargs)
