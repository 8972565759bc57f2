"""MobileNetV3 (Howard et al., https://arxiv.org/abs/1905.02244)."""

from __future__ import annotations

from functools import partial
from typing import Any

from pellucid import nn
from pellucid.core import Tensor

from ..ops.misc import Conv2dNormActivation, SqueezeExcitation
from .mobilenet import divisible
from .weights import refuse

__all__ = ["MobileNetV3", "mobilenet_v3_large", "mobilenet_v3_small"]

# Side of the convolution, channels within, channels after, squeeze and excitation, hard swish, stride.
_LARGE = (
    (3, 16, 16, 0, 0, 1), (3, 64, 24, 0, 0, 2), (3, 72, 24, 0, 0, 1), (5, 72, 40, 1, 0, 2), (5, 120, 40, 1, 0, 1),
    (5, 120, 40, 1, 0, 1), (3, 240, 80, 0, 1, 2), (3, 200, 80, 0, 1, 1), (3, 184, 80, 0, 1, 1), (3, 184, 80, 0, 1, 1),
    (3, 480, 112, 1, 1, 1), (3, 672, 112, 1, 1, 1), (5, 672, 160, 1, 1, 2), (5, 960, 160, 1, 1, 1),
    (5, 960, 160, 1, 1, 1),
)  # fmt: skip
_SMALL = (
    (3, 16, 16, 1, 0, 2), (3, 72, 24, 0, 0, 2), (3, 88, 24, 0, 0, 1), (5, 96, 40, 1, 1, 2), (5, 240, 40, 1, 1, 1),
    (5, 240, 40, 1, 1, 1), (5, 120, 48, 1, 1, 1), (5, 144, 48, 1, 1, 1), (5, 288, 96, 1, 1, 2), (5, 576, 96, 1, 1, 1),
    (5, 576, 96, 1, 1, 1),
)  # fmt: skip

Setting = tuple[int, int, int, int, int, int]
_norm = partial(nn.BatchNorm2d, eps=0.001, momentum=0.01)


class InvertedResidual(nn.Module):
    """Wider, along each channel, weighed, narrower again; where the shape stays, what came in is added."""

    def __init__(self, before: int, setting: Setting, width_mult: float) -> None:
        super().__init__()
        side, within, after, squeezes, hard, stride = setting
        within, after = (divisible(width * width_mult) for width in (within, after))
        activation = nn.Hardswish if hard else nn.ReLU
        layers: list[nn.Module] = []
        if within != before:
            layers.append(Conv2dNormActivation(before, within, 1, norm_layer=_norm, activation_layer=activation))
        layers.append(Conv2dNormActivation(within, within, side, stride, None, within, _norm, activation))
        if squeezes:
            layers.append(SqueezeExcitation(within, divisible(within // 4), scale_activation=nn.Hardsigmoid))
        layers.append(Conv2dNormActivation(within, after, 1, norm_layer=_norm, activation_layer=None))
        self.block = nn.Sequential(*layers)
        self.use_res_connect, self.out_channels = stride == 1 and before == after, after

    def forward(self, input: Tensor) -> Tensor:
        return self.block(input) + input if self.use_res_connect else self.block(input)


class MobileNetV3(nn.Module):
    """Inverted residuals. (B, 3, H, W) -> (B, num_classes)."""

    def __init__(
        self, inverted_residual_setting: tuple[Setting, ...], last_channel: int, num_classes: int = 1000,
        dropout: float = 0.2, width_mult: float = 1.0,
    ) -> None:  # fmt: skip
        super().__init__()
        width = divisible(16 * width_mult)
        swish = nn.Hardswish
        layers: list[nn.Module] = [Conv2dNormActivation(3, width, 3, 2, norm_layer=_norm, activation_layer=swish)]
        for setting in inverted_residual_setting:
            block = InvertedResidual(width, setting, width_mult)
            layers.append(block)
            width = block.out_channels
        layers.append(Conv2dNormActivation(width, 6 * width, 1, norm_layer=_norm, activation_layer=swish))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Linear(6 * width, last_channel),
            nn.Hardswish(inplace=True),
            nn.Dropout(p=dropout, inplace=True),
            nn.Linear(last_channel, num_classes),
        )
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
            elif isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, 0, 0.01)
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def _made(name: str, settings: tuple[Setting, ...], last: int, weights: Any, kwargs: dict[str, Any]) -> MobileNetV3:
    refuse(name, weights, kwargs)
    return MobileNetV3(settings, divisible(last * kwargs.get("width_mult", 1.0)), **kwargs)


def mobilenet_v3_large(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> MobileNetV3:
    """`MobileNetV3`, the large one."""
    return _made("mobilenet_v3_large", _LARGE, 1280, weights, kwargs)


def mobilenet_v3_small(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> MobileNetV3:
    """`MobileNetV3`, the small one."""
    return _made("mobilenet_v3_small", _SMALL, 1024, weights, kwargs)
