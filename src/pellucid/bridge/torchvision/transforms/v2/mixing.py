"""Pictures of a batch mixed with each other, and their labels with them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pellucid
from pellucid.core import Tensor
from pellucid.distributions import Beta

from ..base import TransformModule, below, sample_of

__all__ = ["CutMix", "MixUp"]


def _labels(sample: Any) -> Any:
    """The second of a pair; of a dict, what its key calls labels."""
    if isinstance(sample, dict):
        return next(
            (sample[key] for key in sample if str(key).lower() in ("label", "labels", "target", "targets")), None
        )
    return sample[1] if isinstance(sample, list | tuple) and len(sample) > 1 else None


class _Mixing(TransformModule):
    """Each sample mixed with the one before it: a share `lam` of itself, drawn from Beta(alpha, alpha)."""

    shown = ("alpha", "num_classes")

    def __init__(
        self,
        *,
        alpha: float = 1.0,
        num_classes: int | None = None,
        labels_getter: Callable[[Any], Any] | str = "default",
    ) -> None:
        super().__init__()
        self.alpha, self.num_classes = float(alpha), num_classes
        self._labels: Callable[[Any], Any] = _labels if isinstance(labels_getter, str) else labels_getter

    def forward(self, *inputs: Any) -> Any:
        sample = sample_of(inputs)
        labels = self._labels(sample)
        if not isinstance(labels, Tensor):
            raise ValueError(f"The labels must be a tensor, but got {type(labels)} instead.")
        if labels.ndim not in (1, 2):
            raise ValueError(
                "labels should be index based with shape (batch_size,) or probability based with shape (batch_size, "
                f"num_classes), but got a tensor of shape {labels.shape} instead."
            )
        if labels.ndim == 1 and self.num_classes is None:
            raise ValueError("num_classes must be passed if the labels are index-based (1D)")
        if labels.ndim == 2 and self.num_classes not in (None, labels.shape[-1]):
            raise ValueError(
                f"When passing 2D labels, the number of elements in last dimension must match num_classes: "
                f"{labels.shape[-1]} != {self.num_classes}. You can Leave num_classes to None."
            )
        parts = list(sample.values()) if isinstance(sample, dict) else list(sample)
        shape = next((tuple(p.shape) for p in parts if isinstance(p, Tensor) and p is not labels and p.ndim == 4), None)
        if shape is None or shape[0] != len(labels):
            raise ValueError("Expected a batch of pictures, (B, C, H, W), with one label for each")
        share, mix = self.drawn(shape)
        whole = (
            labels if labels.ndim == 2 else pellucid.nn.functional.one_hot(labels, num_classes=self.num_classes or -1)
        )
        whole = whole if whole.is_floating_point() else whole.float()
        mixed = whole.roll(1, 0) * (1.0 - share) + whole * share

        def new(part: Any) -> Any:
            if part is labels:
                return mixed
            return mix(part) if isinstance(part, Tensor) and part.shape == shape else part

        if isinstance(sample, dict):
            return {key: new(part) for key, part in sample.items()}
        return type(sample)(new(part) for part in sample)

    def drawn(self, shape: tuple[int, ...]) -> tuple[float, Callable[[Tensor], Tensor]]:
        """The share of a sample's own label, and how pictures are mixed."""
        raise NotImplementedError

    def _share(self) -> float:
        alpha = pellucid.tensor([self.alpha])
        return float(Beta(alpha, alpha).sample(()))


class MixUp(_Mixing):
    """lam · picture + (1 − lam) · another (Zhang et al., https://arxiv.org/abs/1710.09412)."""

    def drawn(self, shape: tuple[int, ...]) -> tuple[float, Callable[[Tensor], Tensor]]:
        share = self._share()
        return share, lambda x: x.roll(1, 0) * (1.0 - share) + x * share


class CutMix(_Mixing):
    """A box of another picture in each (Yun et al., https://arxiv.org/abs/1905.04899)."""

    def drawn(self, shape: tuple[int, ...]) -> tuple[float, Callable[[Tensor], Tensor]]:
        share = self._share()
        height, width = shape[-2:]
        x, y = below(width), below(height)
        half = 0.5 * math.sqrt(1.0 - share)
        across, down = int(half * width), int(half * height)
        x1, x2, y1, y2 = max(x - across, 0), min(x + across, width), max(y - down, 0), min(y + down, height)

        def mix(pictures: Tensor) -> Tensor:
            found = pictures.clone()
            found[..., y1:y2, x1:x2] = pictures.roll(1, 0)[..., y1:y2, x1:x2]
            return found

        return 1.0 - (x2 - x1) * (y2 - y1) / (width * height), mix
