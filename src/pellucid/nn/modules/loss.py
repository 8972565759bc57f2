"""Losses as modules: each keeps its options and calls the function of the same meaning with them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, ClassVar

from ...core import Tensor
from ...errors import warn
from .. import functional as F
from ..functional.reduction import legacy_reduction
from .module import Module
from .similarity import PairwiseDistance

__all__ = [
    "BCELoss",
    "BCEWithLogitsLoss",
    "CTCLoss",
    "CosineEmbeddingLoss",
    "CrossEntropyLoss",
    "GaussianNLLLoss",
    "HingeEmbeddingLoss",
    "HuberLoss",
    "KLDivLoss",
    "L1Loss",
    "MSELoss",
    "MarginRankingLoss",
    "MultiLabelMarginLoss",
    "MultiLabelSoftMarginLoss",
    "MultiMarginLoss",
    "NLLLoss",
    "NLLLoss2d",
    "PoissonNLLLoss",
    "SmoothL1Loss",
    "SoftMarginLoss",
    "TripletMarginLoss",
    "TripletMarginWithDistanceLoss",
]


class _Loss(Module):
    """Base class: ``function`` is the loss, the arguments of the constructor are its options, ``reduction`` among them.

    Tensors among the options (weights of classes) are buffers.
    """

    function: ClassVar[Callable[..., Tensor]]
    reduction: str

    @legacy_reduction
    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = reduction

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return type(self).function(input, target, **self._options())

    def total_weight(self, *inputs: Tensor) -> float:
        """What the mean over this batch divides by; takes what ``forward`` takes.

        It is the number of elements, for most losses. For `CrossEntropyLoss` and `NLLLoss` it is the number of the
        targets that are not ``ignore_index``, or the sum of their classes' weights; the other losses do not divide by
        their weights. So the mean over several batches is Σ total_weightᵢ · lossᵢ / Σ total_weightᵢ. It is the same for
        every ``reduction``, but for ``KLDivLoss(reduction="batchmean")``, where it is the number of samples.

        >>> import pellucid as torch
        >>> loss = torch.nn.CrossEntropyLoss(weight=torch.tensor([1.0, 3.0]))
        >>> loss.total_weight(torch.zeros(4, 2), torch.tensor([0, 1, 1, -100]))
        7.0
        """
        return type(self).function.total_weight(*inputs, **self._options())  # type: ignore[attr-defined]

    def _options(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _options(type(self))}


@functools.cache
def _options(loss: type[_Loss]) -> tuple[str, ...]:
    """The arguments of a loss's function beyond its tensors that its constructor sets."""
    wanted = inspect.signature(loss.function).parameters
    names: dict[str, None] = {}
    for cls in loss.__mro__:
        if "function" in vars(cls):  # the constructor that belongs to this function; a user's subclass may have another
            names = dict.fromkeys(inspect.signature(cls).parameters)
            break
    return tuple(name for name in names if name in wanted and name not in ("size_average", "reduce"))


class _WeightedLoss(_Loss):
    """Base class of losses with a weight for each class (or element), kept as a buffer."""

    @legacy_reduction
    def __init__(self, weight: Tensor | None = None, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.register_buffer("weight", weight)


class MSELoss(_Loss):
    """Mean squared error, (x - t)²."""

    function = staticmethod(F.mse_loss)


class L1Loss(_Loss):
    """Mean absolute error, |x - t|."""

    function = staticmethod(F.l1_loss)


class SmoothL1Loss(_Loss):
    """d² / (2·beta) for d = |x - t| below ``beta``, else d - beta / 2."""

    function = staticmethod(F.smooth_l1_loss)

    @legacy_reduction
    def __init__(self, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        self.beta = beta


class HuberLoss(_Loss):
    """d² / 2 for d = |x - t| up to ``delta``, else delta · (d - delta / 2)."""

    function = staticmethod(F.huber_loss)

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        if not isinstance(delta, (int, float)):
            raise TypeError(f"delta must be a float or int, got: {type(delta)}")
        self.delta = delta


class CrossEntropyLoss(_WeightedLoss):
    """-log softmax(x)[t] from scores x: (N, C) and class numbers (N), or class probabilities (N, C).

    ``weight`` has an entry for each class, ``ignore_index`` is a target that does not count, ``label_smoothing`` mixes
    the target with the uniform distribution.

    >>> import pellucid as torch
    >>> torch.nn.CrossEntropyLoss()(torch.zeros(1, 4), torch.tensor([2]))
    tensor(1.3863)
    """

    function = staticmethod(F.cross_entropy)

    @legacy_reduction(before="ignore_index")
    def __init__(
        self,
        weight: Tensor | None = None,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight=weight, reduction=reduction)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing


class NLLLoss(_WeightedLoss):
    """-x[t] from log-probabilities x: (N, C) and class numbers (N)."""

    function = staticmethod(F.nll_loss)

    @legacy_reduction(before="ignore_index")
    def __init__(self, weight: Tensor | None = None, ignore_index: int = -100, reduction: str = "mean") -> None:
        super().__init__(weight=weight, reduction=reduction)
        self.ignore_index = ignore_index


class NLLLoss2d(NLLLoss):
    """`NLLLoss`, which takes images too, under its name of before PyTorch 0.4; it warns."""

    @legacy_reduction(before="ignore_index")
    def __init__(self, weight: Tensor | None = None, ignore_index: int = -100, reduction: str = "mean") -> None:
        warn(
            "`NLLLoss2d` has been deprecated. Please use `NLLLoss` instead as a drop-in replacement and see "
            "https://pytorch.org/docs/main/nn.html#torch.nn.NLLLoss for more details.",
            FutureWarning,
        )
        super().__init__(weight=weight, ignore_index=ignore_index, reduction=reduction)


class BCELoss(_WeightedLoss):
    """-(t · log p + (1 - t) · log(1 - p)) from probabilities p; the logarithms stop at -100."""

    function = staticmethod(F.binary_cross_entropy)


class BCEWithLogitsLoss(_Loss):
    """`BCELoss` of σ(x), from x: safe for large ±x. ``pos_weight`` weighs the positive examples."""

    function = staticmethod(F.binary_cross_entropy_with_logits)

    @legacy_reduction
    def __init__(self, weight: Tensor | None = None, reduction: str = "mean", pos_weight: Tensor | None = None) -> None:
        super().__init__(reduction=reduction)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)


class KLDivLoss(_Loss):
    """t · (log t - x) from log-probabilities x; write ``reduction="batchmean"`` for the mean over samples."""

    function = staticmethod(F.kl_div)

    @legacy_reduction
    def __init__(self, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__(reduction=reduction)
        self.log_target = log_target


class HingeEmbeddingLoss(_Loss):
    """x where t = 1, max(0, margin - x) where t = -1."""

    function = staticmethod(F.hinge_embedding_loss)

    @legacy_reduction
    def __init__(self, margin: float = 1.0, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.margin = margin


class _PairLoss(_Loss):
    """Base class of losses of two inputs that belong together or do not."""

    @legacy_reduction
    def __init__(self, margin: float = 0.0, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.margin = margin

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:  # type: ignore[override]
        return type(self).function(input1, input2, target, **self._options())


class MarginRankingLoss(_PairLoss):
    """max(0, -t · (x₁ - x₂) + margin)."""

    function = staticmethod(F.margin_ranking_loss)


class CosineEmbeddingLoss(_PairLoss):
    """1 - cos(x₁, x₂) where t = 1, max(0, cos(x₁, x₂) - margin) where t = -1."""

    function = staticmethod(F.cosine_embedding_loss)


class SoftMarginLoss(_Loss):
    """log(1 + e^(-t · x)), t = ±1."""

    function = staticmethod(F.soft_margin_loss)


class MultiMarginLoss(_WeightedLoss):
    """Mean over the wrong classes i of max(0, margin - x[t] + x[i])^p."""

    function = staticmethod(F.multi_margin_loss)

    @legacy_reduction
    def __init__(self, p: int = 1, margin: float = 1.0, weight: Tensor | None = None, reduction: str = "mean") -> None:
        super().__init__(weight=weight, reduction=reduction)
        if p not in (1, 2):
            raise ValueError(f"only p == 1 and p == 2 supported, but got {p}")
        self.p = p
        self.margin = margin


class PoissonNLLLoss(_Loss):
    """e^x - t · x, for counts t whose rate has the logarithm x."""

    function = staticmethod(F.poisson_nll_loss)

    @legacy_reduction(before="eps")
    def __init__(self, log_input: bool = True, full: bool = False, eps: float = 1e-8, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.log_input = log_input
        self.full = full
        self.eps = eps

    def forward(self, log_input: Tensor, target: Tensor) -> Tensor:  # type: ignore[override]
        return type(self).function(log_input, target, **self._options())


class GaussianNLLLoss(_Loss):
    """(log v + (x - t)² / v) / 2, for a predicted mean x and variance v."""

    function = staticmethod(F.gaussian_nll_loss)

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.full = full
        self.eps = eps

    def forward(self, input: Tensor, target: Tensor, var: Tensor | float) -> Tensor:  # type: ignore[override]
        return type(self).function(input, target, var, **self._options())


class TripletMarginLoss(_Loss):
    """max(0, d(anchor, positive) - d(anchor, negative) + margin), d the p-norm of the difference."""

    function = staticmethod(F.triplet_margin_loss)

    @legacy_reduction
    def __init__(
        self, margin: float = 1.0, p: float = 2.0, eps: float = 1e-6, swap: bool = False, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction=reduction)
        if margin <= 0:
            raise ValueError(f"TripletMarginLoss: expected margin to be greater than 0, got {margin} instead")
        self.margin = margin
        self.p = p
        self.eps = eps
        self.swap = swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:  # type: ignore[override]
        return type(self).function(anchor, positive, negative, **self._options())


class MultiLabelMarginLoss(_Loss):
    """Σ max(0, 1 - x[t] + x[i]) / C over the right classes t and the wrong ones i."""

    function = staticmethod(F.multilabel_margin_loss)


class MultiLabelSoftMarginLoss(_WeightedLoss):
    """-(t · log σ(x) + (1 - t) · log σ(-x)), averaged over the classes."""

    function = staticmethod(F.multilabel_soft_margin_loss)


class TripletMarginWithDistanceLoss(_Loss):
    """max(0, d(anchor, positive) - d(anchor, negative) + margin), d being ``distance_function``."""

    function = staticmethod(F.triplet_margin_with_distance_loss)

    def __init__(
        self, *, distance_function: Any = None, margin: float = 1.0, swap: bool = False, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction=reduction)
        if margin <= 0:
            raise ValueError(
                f"TripletMarginWithDistanceLoss: expected margin to be greater than 0, got {margin} instead"
            )
        self.distance_function = PairwiseDistance() if distance_function is None else distance_function
        self.margin = margin
        self.swap = swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:  # type: ignore[override]
        return type(self).function(anchor, positive, negative, **self._options())


class CTCLoss(_Loss):
    """-log of the probability of a sequence of labels, over all ways to stretch it to the input (Graves et al., 2006).

    Shape: log_probs (T, N, C), targets (N, S) or one after the other, input_lengths (N), target_lengths (N).
    """

    function = staticmethod(F.ctc_loss)

    def __init__(self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False) -> None:
        super().__init__(reduction=reduction)
        self.blank = blank
        self.zero_infinity = zero_infinity

    def forward(  # type: ignore[override]
        self, log_probs: Tensor, targets: Tensor, input_lengths: Any, target_lengths: Any
    ) -> Tensor:
        return type(self).function(log_probs, targets, input_lengths, target_lengths, **self._options())
