"""Batch normalisation: each channel to mean 0 and variance 1 over the batch, then scaled and shifted."""

from __future__ import annotations

from typing import Any, ClassVar

from ...autograd.function import Function
from ...core import Tensor, no_grad
from ...distributed.collectives import all_reduce
from ...distributed.group import is_initialized, member
from ...distributed.ranks import ProcessGroup
from ...types.dtypes import int64
from .. import functional as F
from .. import init
from ..parameter import Parameter
from ..vocabulary import cat, empty, full, ones, tensor, zeros
from .module import Module

__all__ = ["BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "SyncBatchNorm"]


class _NormBase(Module):
    """What batch and instance normalisation share: weight and bias, running statistics, checks of the shape."""

    _shown = "num_features eps= momentum= affine= bias= track_running_stats="

    _version = 2
    ranks: ClassVar[tuple[int, ...]]

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        for name in ("weight", "bias"):
            present = affine and (bias or name == "weight")
            value = Parameter(empty(num_features, device=device, dtype=dtype)) if present else None
            self.register_parameter(name, value)
        tracked = track_running_stats
        self.register_buffer("running_mean", zeros(num_features, device=device, dtype=dtype) if tracked else None)
        self.register_buffer("running_var", ones(num_features, device=device, dtype=dtype) if tracked else None)
        self.register_buffer("num_batches_tracked", tensor(0, dtype=int64, device=device) if tracked else None)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Forget the batches seen."""
        if self.track_running_stats:
            init.zeros_(self.running_mean)
            init.ones_(self.running_var)
            init.zeros_(self.num_batches_tracked)

    def reset_parameters(self) -> None:
        """Forget the batches seen, and scale by 1, shift by 0."""
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim not in self.ranks:
            expected = " or ".join(f"{rank}D" for rank in self.ranks)
            raise ValueError(f"expected {expected} input (got {input.ndim}D input of shape {tuple(input.shape)})")

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, local_metadata: Any, *rest: Any) -> None:
        # Checkpoints of version 1 have no num_batches_tracked.
        if (local_metadata.get("version") or 1) < 2 and self.num_batches_tracked is not None:
            state_dict.setdefault(prefix + "num_batches_tracked", self.num_batches_tracked)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)


class _BatchNorm(_NormBase):
    r"""y = weight · (x - mean) / √(variance + eps) + bias, by channel (Ioffe and Szegedy, arXiv:1502.03167).

    In training, mean and (biased) variance are the batch's, and ``running_mean`` and ``running_var`` (unbiased) move
    towards them by ``momentum`` (None: they are the average over all batches so far). In evaluation the running ones
    are used.
    """

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        factor = 0.0 if self.momentum is None else self.momentum
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if self.momentum is None:
                factor = 1.0 / float(self.num_batches_tracked)
        use_running = not self.training or self.track_running_stats
        return F.batch_norm(
            input,
            self.running_mean if use_running else None,
            self.running_var if use_running else None,
            self.weight,
            self.bias,
            self.training or self.running_mean is None,
            factor,
            self.eps,
        )


class BatchNorm1d(_BatchNorm):
    __doc__ = f"{_BatchNorm.__doc__}\n    Shape: (N, C) or (N, C, L), and the same out.\n    "
    ranks = (2, 3)


class BatchNorm2d(_BatchNorm):
    __doc__ = f"{_BatchNorm.__doc__}\n    Shape: (N, C, H, W), and the same out.\n    "
    ranks = (4,)


class BatchNorm3d(_BatchNorm):
    __doc__ = f"{_BatchNorm.__doc__}\n    Shape: (N, C, D, H, W), and the same out.\n    "
    ranks = (5,)


class _SumOverRanks(Function):
    """The sum of the tensors of all ranks of a group, at each; so is the gradient."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor, group: ProcessGroup) -> Tensor:
        ctx.group = group
        total = tensor.clone()
        all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return _SumOverRanks.apply(grads[0], ctx.group), None


class SyncBatchNorm(_BatchNorm):
    """Batch normalisation over the batches of all processes that train together; alone, over its batch.

    In training mean and variance, also the running ones, are those of the samples of all ranks, of which each may have
    another number. The gradient is that of the sum of the losses of all ranks.

    Shape: (N, C, ...), of at least two dimensions, and the same out.

    Args:
        process_group: what `torch.distributed.new_group` returned; all processes by default.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: Any = None,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)
        self.process_group = process_group

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim < 2:
            raise ValueError(f"expected at least 2D input (got {input.ndim}D input of shape {tuple(input.shape)})")
        if not input.shape[1]:
            raise ValueError("SyncBatchNorm number of input channels should be non-zero")

    def forward(self, input: Tensor) -> Tensor:
        group = member(self.process_group) if self.training and is_initialized() else None
        if group is None or group.size() == 1:
            return super().forward(input)
        self._check_input_dim(input)
        x = input.float() if input.dtype.itemsize < 4 else input
        dims = [0, *range(2, x.ndim)]
        shape = [1, -1] + [1] * (x.ndim - 2)
        own = full((1,), float(x.numel() // x.shape[1]), dtype=x.dtype)
        sums: Any = _SumOverRanks.apply(cat([x.sum(dims), own]), group)
        count = sums[-1].detach()
        if float(count) <= 1:
            raise ValueError(f"Expected more than 1 value per channel when training, got input size {input.shape}")
        mean = sums[:-1] / count
        centred = x - mean.reshape(shape)
        variance: Any = _SumOverRanks.apply((centred * centred).sum(dims), group) / count
        y = centred * (variance + self.eps).rsqrt().reshape(shape)
        if self.weight is not None:
            y = y * self.weight.reshape(shape)
        if self.bias is not None:
            y = y + self.bias.reshape(shape)
        self._follow(mean.detach(), variance.detach() * (count / (count - 1)))
        return y.to(input.dtype)

    def _follow(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics towards those of a batch."""
        if self.running_mean is None or self.running_var is None:
            return
        self.num_batches_tracked.add_(1)
        factor = 1.0 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        with no_grad():
            for running, new in ((self.running_mean, mean), (self.running_var, variance)):
                running.mul_(1 - factor).add_(new.to(running.dtype) * factor)

    @classmethod
    def convert_sync_batchnorm(cls, module: Module, process_group: Any = None) -> Module:
        """``module`` with each batch normalisation in it replaced by one of this class that has the same tensors."""
        converted = module
        if isinstance(module, _BatchNorm):
            converted = cls(
                module.num_features,
                module.eps,
                module.momentum,
                module.affine,
                module.track_running_stats,
                process_group,
            )
            if module.affine:
                converted.weight, converted.bias = module.weight, module.bias
            for name in ("running_mean", "running_var", "num_batches_tracked"):
                setattr(converted, name, getattr(module, name))
            converted.training = module.training
        for name, child in module.named_children():
            converted.add_module(name, cls.convert_sync_batchnorm(child, process_group))
        return converted
