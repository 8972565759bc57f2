"""ConvNeXt (Liu et al., https://arxiv.org/abs/2201.03545)."""

from __future__ import annotations

from functools import partial
from typing import Any

import pellucid
from pellucid import nn
from pellucid.core import Tensor

from ..ops.misc import Conv2dNormActivation, Permute, StochasticDepth
from .weights import refuse

__all__ = ["ConvNeXt", "convnext_base", "convnext_large", "convnext_small", "convnext_tiny"]


class LayerNorm2d(nn.LayerNorm):
    """Layer norm over the channels of each place. (B, C, H, W) -> (B, C, H, W)."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class CNBlock(nn.Module):
    """Along each channel, then through the channels of each place, and what came in added."""

    def __init__(self, dim: int, layer_scale: float, drop: float) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.Conv2d(dim, dim, kernel_size=7, padding=3, groups=dim, bias=True),
            Permute([0, 2, 3, 1]),
            nn.LayerNorm(dim, eps=1e-6),
            nn.Linear(dim, 4 * dim),
            nn.GELU(),
            nn.Linear(4 * dim, dim),
            Permute([0, 3, 1, 2]),
        )
        self.layer_scale = nn.Parameter(pellucid.ones(dim, 1, 1) * layer_scale)
        self.stochastic_depth = StochasticDepth(drop, "row")

    def forward(self, input: Tensor) -> Tensor:
        return input + self.stochastic_depth(self.layer_scale * self.block(input))


class ConvNeXt(nn.Module):
    """Four stages of blocks; `block_setting` has of each its channels and blocks. (B, 3, H, W) -> (B, num_classes)."""

    def __init__(
        self, block_setting: list[tuple[int, int]], stochastic_depth_prob: float = 0.0, layer_scale: float = 1e-6,
        num_classes: int = 1000,
    ) -> None:  # fmt: skip
        super().__init__()
        norm = partial(LayerNorm2d, eps=1e-6)
        layers: list[nn.Module] = [
            Conv2dNormActivation(3, block_setting[0][0], 4, 4, 0, norm_layer=norm, activation_layer=None, bias=True)
        ]
        total, done = sum(count for _, count in block_setting), 0
        for i, (width, count) in enumerate(block_setting):
            blocks = list[nn.Module]()
            for _ in range(count):
                blocks.append(CNBlock(width, layer_scale, stochastic_depth_prob * done / (total - 1.0)))
                done += 1
            layers.append(nn.Sequential(*blocks))
            if i + 1 < len(block_setting):
                layers.append(
                    nn.Sequential(norm(width), nn.Conv2d(width, block_setting[i + 1][0], kernel_size=2, stride=2))
                )
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        last = block_setting[-1][0]
        self.classifier = nn.Sequential(norm(last), nn.Flatten(1), nn.Linear(last, num_classes))
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)))


def _convnext(name: str, width: int, third: int, drop: float, weights: Any, kwargs: dict[str, Any]) -> ConvNeXt:
    refuse(name, weights, kwargs)
    stages = [(width, 3), (2 * width, 3), (4 * width, third), (8 * width, 3)]
    return ConvNeXt(stages, **{"stochastic_depth_prob": drop, **kwargs})


def convnext_tiny(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> ConvNeXt:
    """`ConvNeXt`, tiny."""
    return _convnext("convnext_tiny", 96, 9, 0.1, weights, kwargs)


def convnext_small(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> ConvNeXt:
    """`ConvNeXt`, small."""
    return _convnext("convnext_small", 96, 27, 0.4, weights, kwargs)


def convnext_base(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> ConvNeXt:
    """`ConvNeXt`, of the usual size."""
    return _convnext("convnext_base", 128, 27, 0.5, weights, kwargs)


def convnext_large(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> ConvNeXt:
    """`ConvNeXt`, large."""
    return _convnext("convnext_large", 192, 27, 0.5, weights, kwargs)
