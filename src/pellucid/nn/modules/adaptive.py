"""A softmax over very many classes, whose rare ones share their scores: the time of a step falls with frequency."""

from __future__ import annotations

import itertools
from collections import namedtuple
from collections.abc import Sequence
from typing import Any

from ...core import Tensor
from .. import functional as F
from ..vocabulary import argmax, cat
from .container import ModuleList, Sequential
from .linear import Linear
from .module import Module

__all__ = ["AdaptiveLogSoftmaxWithLoss"]

_ASMoutput = namedtuple("_ASMoutput", ["output", "loss"])


class AdaptiveLogSoftmaxWithLoss(Module):
    """Adaptive softmax (Grave and others, arXiv:1609.04309) of classes ordered by frequency, and its loss.

    Classes below ``cutoffs[0]`` have a score each in the head; the others are in clusters, one for each further
    cutoff, with a score in the head and a smaller layer of their own: its width is ``in_features`` divided by
    ``div_value`` once more in each cluster.

    Shape: input (N, in_features) and target (N), or (in_features) and (); out a pair: the log-probability of each
    target, and the mean of its negative. Raises RuntimeError for targets out of range and shapes that do not fit,
    ValueError for cutoffs that do not ascend within the classes.
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        cutoffs = list(cutoffs)
        if not cutoffs:
            raise ValueError("cutoffs should be a sequence of length larger than 0")
        ascending = all(a < b for a, b in itertools.pairwise(cutoffs))
        whole = all(int(cutoff) == cutoff for cutoff in cutoffs)
        if not (ascending and whole and cutoffs[0] > 0 and cutoffs[-1] <= n_classes - 1):
            raise ValueError(
                "cutoffs should be a sequence of unique, positive integers sorted in an increasing order, where each "
                f"value is between 1 and n_classes-1, but got {cutoffs} for {n_classes} classes"
            )
        self.in_features = in_features
        self.n_classes = n_classes
        self.cutoffs = [*cutoffs, n_classes]
        self.div_value = div_value
        self.head_bias = head_bias
        self.shortlist_size = cutoffs[0]
        self.n_clusters = len(cutoffs)
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, head_bias, device, dtype)
        self.tail = ModuleList()
        for place, (start, end) in enumerate(itertools.pairwise(self.cutoffs)):
            width = int(in_features // div_value ** (place + 1))
            self.tail.append(
                Sequential(
                    Linear(in_features, width, False, device, dtype), Linear(width, end - start, False, device, dtype)
                )
            )

    def reset_parameters(self) -> None:
        """Draw new weights."""
        self.head.reset_parameters()
        for cluster in self.tail:
            for layer in cluster.children():
                layer.reset_parameters()

    def forward(self, input_: Tensor, target_: Tensor) -> Any:
        if target_.ndim > 1:
            raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
        if target_.ndim and input_.shape[0] != target_.shape[0]:
            raise RuntimeError("Input and target should have the same size in the batch dimension.")
        if input_.ndim != target_.ndim + 1:
            raise RuntimeError(
                f"{target_.ndim}D target tensor expects {target_.ndim + 1}D input tensors, but found inputs with size "
                f"{input_.shape}"
            )
        input = input_ if target_.ndim else input_.unsqueeze(0)
        target = target_ if target_.ndim else target_.unsqueeze(0)
        if target.numel() and not 0 <= int(target.min()) <= int(target.max()) < self.n_classes:
            raise RuntimeError(
                f"Target values should be in [0, {self.n_classes - 1}], but values in range "
                f"[{target.min().item()}, {target.max().item()}] were found."
            )
        output = input.new_zeros(len(target))
        in_head = target.clone()
        for place, (start, end) in enumerate(itertools.pairwise(self.cutoffs)):
            rows = ((target >= start) & (target < end)).nonzero().squeeze(1)
            if rows.numel():
                in_head = in_head.index_fill(0, rows, self.shortlist_size + place)
                scores = F.log_softmax(self.tail[place](input.index_select(0, rows)), dim=1)
                picked = scores.gather(1, (target[rows] - start).unsqueeze(1))
                output = output.index_copy(0, rows, picked.squeeze(1))
        head = F.log_softmax(self.head(input), dim=1)
        output = output + head.gather(1, in_head.unsqueeze(1)).squeeze(1)
        return _ASMoutput(output if target_.ndim else output.squeeze(0), (-output).mean())

    def _full_log_prob(self, input: Tensor, head_output: Tensor) -> Tensor:
        head = F.log_softmax(head_output, dim=1)
        parts = [head[:, : self.shortlist_size]]
        for place, layers in enumerate(self.tail):
            cluster = self.shortlist_size + place
            parts.append(F.log_softmax(layers(input), dim=1) + head[:, cluster : cluster + 1])
        return cat(parts, dim=1)

    def log_prob(self, input: Tensor) -> Tensor:
        """The log-probabilities of all classes: (N, in_features) to (N, n_classes)."""
        return self._full_log_prob(input, self.head(input))

    def predict(self, input: Tensor) -> Tensor:
        """The most probable class of each row: (N, in_features) to (N)."""
        scores = self.head(input)
        best = argmax(scores, dim=1)
        rare = (best >= self.shortlist_size).nonzero().squeeze(1)
        if not rare.numel():
            return best
        return best.index_copy(0, rare, argmax(self._full_log_prob(input[rare], scores[rare]), dim=1))
