"""The layers of the networks for tables and pictures, as `--model` and the options of a network ask for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pellucid import nn
from pellucid.core import Tensor
from pellucid.experiments.errors import UsageError

Activation = Callable[[], Any]


class Residual(nn.Module):
    """x + inside(x); where the shapes differ, shortcut(x) + inside(x). Then the activation, if there is one.

    Source: He, Zhang, Ren and Sun, Deep Residual Learning for Image Recognition, 2015.
    """

    def __init__(self, inside: nn.Module, shortcut: nn.Module | None = None, activation: Any = None) -> None:
        super().__init__()
        self.inside, self.shortcut, self.activation = inside, shortcut, activation

    def forward(self, x: Tensor) -> Tensor:
        result = (x if self.shortcut is None else self.shortcut(x)) + self.inside(x)
        return result if self.activation is None else self.activation(result)


def mlp(
    shape: tuple[int, ...],
    sizes: list[int],
    outputs: int,
    activation: Activation,
    dropout: float = 0.0,
    batch_norm: bool = False,
    residual: bool = False,
) -> list[Any]:
    """Hidden layers of `sizes`, each a Linear, its norm, its activation and its dropout.

    With `residual`, what goes into a hidden layer is added to what comes out, by a Linear where the sizes differ.
    """
    width = 1
    for size in shape:
        width *= size
    layers: list[Any] = [nn.Flatten()] if len(shape) > 1 else []
    for size in sizes:
        hidden = [nn.Linear(width, size), *_norm(nn.BatchNorm1d, size, batch_norm), activation(), *_dropout(dropout)]
        if residual:
            shortcut = None if width == size else nn.Linear(width, size, bias=False)
            layers.append(Residual(nn.Sequential(*hidden), shortcut))
        else:
            layers += hidden
        width = size
    return [*layers, nn.Linear(width, outputs)]


def cnn(
    shape: tuple[int, ...], outputs: int, activation: Activation, dropout: float = 0.25, batch_norm: bool = False
) -> list[Any]:
    """Two convolutions of 32 and 64 channels, each pooled by two, and a hidden layer of 128 with dropout around it."""
    channels, height, width = pictures("cnn", shape)
    # 5 × 5 sees whole strokes of MNIST's digits; an image of 8 × 8 is too small for that.
    kernel, padding = (5, 0) if min(height, width) >= 16 else (3, 1)

    def pooled(size: int) -> int:
        return (size + 2 * padding - kernel + 1) // 2

    return [
        nn.Conv2d(channels, 32, kernel, padding=padding),  # (N, 1, 28, 28) -> (N, 32, 24, 24)
        *_norm(nn.BatchNorm2d, 32, batch_norm),
        activation(),
        nn.MaxPool2d(2),  # -> (N, 32, 12, 12)
        nn.Conv2d(32, 64, kernel, padding=padding),  # -> (N, 64, 8, 8)
        *_norm(nn.BatchNorm2d, 64, batch_norm),
        activation(),
        nn.MaxPool2d(2),  # -> (N, 64, 4, 4)
        nn.Flatten(),  # -> (N, 1024)
        *_dropout(dropout),
        nn.Linear(64 * pooled(pooled(height)) * pooled(pooled(width)), 128),
        activation(),
        *_dropout(dropout),
        nn.Linear(128, outputs),
    ]


def resnet(shape: tuple[int, ...], outputs: int, activation: Activation, dropout: float = 0.0) -> list[Any]:
    """A convolution of 16 channels, three residual blocks of 16, 32 and 64, the mean of each channel, and a Linear.

    The second and third blocks halve the sides. Each block is two convolutions with batch norm.

    Source: He, Zhang, Ren and Sun, Deep Residual Learning for Image Recognition, 2015, section 4.2, one block a stage.
    """
    channels, _, _ = pictures("resnet", shape)
    layers: list[Any] = [nn.Conv2d(channels, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), activation()]
    for before, after, stride in ((16, 16, 1), (16, 32, 2), (32, 64, 2)):
        inside = nn.Sequential(
            nn.Conv2d(before, after, 3, stride, 1, bias=False),
            nn.BatchNorm2d(after),
            activation(),
            *_dropout(dropout),
            nn.Conv2d(after, after, 3, padding=1, bias=False),
            nn.BatchNorm2d(after),
        )
        shortcut = None
        if before != after:
            shortcut = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))
        layers.append(Residual(inside, shortcut, activation()))
    return [*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, outputs)]


def pictures(model: str, shape: tuple[int, ...]) -> tuple[int, int, int]:
    """The shape of a picture, (C, H, W); UsageError where a sample is none."""
    if len(shape) != 3 or min(shape[1:]) < 4:
        raise UsageError(
            f"--model {model} needs images, and a sample of this data set has shape {shape}. Write --model mlp:128,64."
        )
    return shape[0], shape[1], shape[2]


def _norm(kind: Any, size: int, wanted: bool) -> list[Any]:
    return [kind(size)] if wanted else []


def _dropout(share: float) -> list[Any]:
    return [nn.Dropout(share)] if share else []
