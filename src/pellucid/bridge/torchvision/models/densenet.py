"""Densely connected networks (Huang et al., https://arxiv.org/abs/1608.06993)."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pellucid
from pellucid import nn
from pellucid.core import Tensor

from .weights import refuse

__all__ = ["DenseNet", "densenet121", "densenet161", "densenet169", "densenet201"]


class _DenseLayer(nn.Module):
    """Norm, ReLU, 1 × 1, norm, ReLU, 3 × 3, of all that came before."""

    def __init__(self, before: int, growth: int, wider: int, drop_rate: float) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(before)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(before, wider * growth, kernel_size=1, stride=1, bias=False)
        self.norm2 = nn.BatchNorm2d(wider * growth)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(wider * growth, growth, kernel_size=3, stride=1, padding=1, bias=False)
        self.drop_rate = drop_rate

    def forward(self, parts: list[Tensor]) -> Tensor:
        x = self.conv1(self.relu1(self.norm1(pellucid.cat(parts, 1))))
        x = self.conv2(self.relu2(self.norm2(x)))
        return nn.functional.dropout(x, self.drop_rate, self.training) if self.drop_rate > 0 else x


class _DenseBlock(nn.ModuleDict):
    """Layers, each of which sees the results of all before it."""

    def forward(self, x: Tensor) -> Tensor:
        parts = [x]
        for layer in self.values():
            parts.append(layer(parts))
        return pellucid.cat(parts, 1)


class DenseNet(nn.Module):
    """Four dense blocks, with half the channels and sides between. (B, 3, H, W) -> (B, num_classes)."""

    def __init__(
        self, growth_rate: int = 32, block_config: tuple[int, ...] = (6, 12, 24, 16), num_init_features: int = 64,
        bn_size: int = 4, drop_rate: float = 0, num_classes: int = 1000,
    ) -> None:  # fmt: skip
        super().__init__()
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            conv0=nn.Conv2d(3, num_init_features, kernel_size=7, stride=2, padding=3, bias=False),
            norm0=nn.BatchNorm2d(num_init_features),
            relu0=nn.ReLU(inplace=True),
            pool0=nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
        )
        width = num_init_features
        for i, count in enumerate(block_config):
            block = _DenseBlock()
            for j in range(count):
                block[f"denselayer{j + 1}"] = _DenseLayer(width + j * growth_rate, growth_rate, bn_size, drop_rate)
            layers[f"denseblock{i + 1}"] = block
            width += count * growth_rate
            if i != len(block_config) - 1:
                layers[f"transition{i + 1}"] = nn.Sequential(
                    OrderedDict(
                        norm=nn.BatchNorm2d(width),
                        relu=nn.ReLU(inplace=True),
                        conv=nn.Conv2d(width, width // 2, kernel_size=1, stride=1, bias=False),
                        pool=nn.AvgPool2d(kernel_size=2, stride=2),
                    )
                )
                width //= 2
        layers["norm5"] = nn.BatchNorm2d(width)
        self.features = nn.Sequential(layers)
        self.classifier = nn.Linear(width, num_classes)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight)
            elif isinstance(layer, nn.Linear):
                nn.init.constant_(layer.bias, 0)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.relu(self.features(x), inplace=True)
        return self.classifier(nn.functional.adaptive_avg_pool2d(x, (1, 1)).flatten(1))


def _densenet(name: str, growth: int, blocks: tuple[int, ...], first: int, weights: Any, kwargs: Any) -> DenseNet:
    refuse(name, weights, kwargs)
    return DenseNet(growth, blocks, first, **kwargs)


def densenet121(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> DenseNet:
    """`DenseNet` of 121 layers."""
    return _densenet("densenet121", 32, (6, 12, 24, 16), 64, weights, kwargs)


def densenet161(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> DenseNet:
    """`DenseNet` of 161 layers, wider."""
    return _densenet("densenet161", 48, (6, 12, 36, 24), 96, weights, kwargs)


def densenet169(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> DenseNet:
    """`DenseNet` of 169 layers."""
    return _densenet("densenet169", 32, (6, 12, 32, 32), 64, weights, kwargs)


def densenet201(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> DenseNet:
    """`DenseNet` of 201 layers."""
    return _densenet("densenet201", 32, (6, 12, 48, 32), 64, weights, kwargs)
