"""VGG (Simonyan and Zisserman, https://arxiv.org/abs/1409.1556)."""

from __future__ import annotations

from typing import Any

from pellucid import nn
from pellucid.core import Tensor

from .weights import refuse

__all__ = ["VGG", "vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn"]

# Channels of the convolutions, block by block; between blocks the picture is halved.
_BLOCKS: dict[int, tuple[int, ...]] = {
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}


class VGG(nn.Module):
    """Convolutions in blocks, then three linear layers. (B, 3, H, W) -> (B, num_classes)."""

    def __init__(
        self, features: nn.Module, num_classes: int = 1000, init_weights: bool = True, dropout: float = 0.5
    ) -> None:
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096),
            nn.ReLU(True),
            nn.Dropout(p=dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(True),
            nn.Dropout(p=dropout),
            nn.Linear(4096, num_classes),
        )
        for layer in self.modules() if init_weights else ():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
                if layer.bias is not None:
                    nn.init.constant_(layer.bias, 0)
            elif isinstance(layer, nn.BatchNorm2d):
                nn.init.constant_(layer.weight, 1)
                nn.init.constant_(layer.bias, 0)
            elif isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, 0, 0.01)
                nn.init.constant_(layer.bias, 0)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def _vgg(depth: int, normalised: bool, weights: Any, kwargs: dict[str, Any]) -> VGG:
    refuse(f"vgg{depth}{'_bn' if normalised else ''}", weights, kwargs)
    layers: list[nn.Module] = []
    before = 3
    for block, count in enumerate(_BLOCKS[depth]):
        for _ in range(count):
            channels = min(64 * 2**block, 512)
            layers.append(nn.Conv2d(before, channels, kernel_size=3, padding=1))
            layers += [nn.BatchNorm2d(channels), nn.ReLU(inplace=True)] if normalised else [nn.ReLU(inplace=True)]
            before = channels
        layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
    return VGG(nn.Sequential(*layers), **kwargs)


def vgg11(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> VGG:
    """`VGG` of 11 layers."""
    return _vgg(11, False, weights, kwargs)


def vgg11_bn(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> VGG:
    """`VGG` of 11 layers with batch normalisation."""
    return _vgg(11, True, weights, kwargs)


def vgg13(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> VGG:
    """`VGG` of 13 layers."""
    return _vgg(13, False, weights, kwargs)


def vgg13_bn(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> VGG:
    """`VGG` of 13 layers with batch normalisation."""
    return _vgg(13, True, weights, kwargs)


def vgg16(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> VGG:
    """`VGG` of 16 layers."""
    return _vgg(16, False, weights, kwargs)


def vgg16_bn(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> VGG:
    """`VGG` of 16 layers with batch normalisation."""
    return _vgg(16, True, weights, kwargs)


def vgg19(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> VGG:
    """`VGG` of 19 layers."""
    return _vgg(19, False, weights, kwargs)


def vgg19_bn(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> VGG:
    """`VGG` of 19 layers with batch normalisation."""
    return _vgg(19, True, weights, kwargs)
