"""Keep a step from becoming too large."""

from __future__ import annotations

import math

from pellucid.core import no_grad
from pellucid.train.loop import Callback, Loop


class GradientClip(Callback):
    """Limits the gradients before each step of the optimiser.

    Args:
        norm: the largest norm that all gradients taken as one vector may have; they are scaled down to it together, so
            that the direction of the step stays.
        value: the largest size that an element may have; each is cut off on its own.

    One of the two is given. `total_norm` is the norm at the last step, before it was clipped. The results are those of
    PyTorch's `clip_grad_norm_` and `clip_grad_value_`.

    Source: Pascanu and others, On the difficulty of training recurrent neural networks, 2013.
    """

    changes_step = True

    def __init__(self, norm: float | None = None, value: float | None = None) -> None:
        if (norm is None) == (value is None):
            raise TypeError(
                "GradientClip takes either a norm, GradientClip(norm=1.0), or a value, GradientClip(value=0.5)."
            )
        for name, limit in (("norm", norm), ("value", value)):
            if limit is not None and not limit > 0:
                raise ValueError(f"GradientClip: {name} must be above 0, but it is {limit}.")
        self.norm, self.value = norm, value
        self.total_norm = float("nan")

    def after_backward(self, learner: Loop) -> None:
        groups = learner.optimizer.param_groups
        gradients = [p.grad for group in groups for p in group["params"] if p.grad is not None]
        with no_grad():
            # Norm by norm, so that squares of float32 cannot overflow in the sum.
            self.total_norm = math.hypot(*(gradient.norm().item() for gradient in gradients))
            if self.value is not None:
                for gradient in gradients:
                    gradient.clamp_(min=-self.value, max=self.value)
            elif self.norm is not None and self.total_norm > self.norm:
                for gradient in gradients:
                    gradient.mul_(self.norm / (self.total_norm + 1e-6))
