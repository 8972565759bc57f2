"""Instance normalisation: each channel of each sample to mean 0 and variance 1."""

from __future__ import annotations

from typing import Any, ClassVar

from ...core import Tensor
from ...errors import warn
from .. import functional as F
from .batchnorm import _NormBase

__all__ = ["InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d"]


class _InstanceNorm(_NormBase):
    """As batch normalisation, with the statistics of each sample by itself (Ulyanov et al., arXiv:1607.08022).

    Without ``track_running_stats`` it is the same in training and evaluation.
    """

    rank: ClassVar[int]

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        batched = input.ndim == self.rank + 2
        x = input if batched else input.unsqueeze(0)
        if x.shape[1] != self.num_features:
            where = f"input's size at dim={1 if batched else 0}"
            if self.affine:
                raise ValueError(
                    f"expected {where} to match num_features ({self.num_features}), but got: {x.shape[1]}."
                )
            warn(
                f"{where} does not match num_features. You can silence this warning by not passing in num_features, "
                "which is not used because affine=False"
            )
        out = F.instance_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
        )
        return out if batched else out.squeeze(0)


class InstanceNorm1d(_InstanceNorm):
    __doc__ = f"{_InstanceNorm.__doc__}\n    Shape: (N, C, L) or (C, L), and the same out.\n    "
    rank, ranks = 1, (2, 3)


class InstanceNorm2d(_InstanceNorm):
    __doc__ = f"{_InstanceNorm.__doc__}\n    Shape: (N, C, H, W) or (C, H, W), and the same out.\n    "
    rank, ranks = 2, (3, 4)


class InstanceNorm3d(_InstanceNorm):
    __doc__ = f"{_InstanceNorm.__doc__}\n    Shape: (N, C, D, H, W) or (C, D, H, W), and the same out.\n    "
    rank, ranks = 3, (4, 5)
