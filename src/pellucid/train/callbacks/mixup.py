"""Train on mixtures of two samples."""

from __future__ import annotations

from typing import Any

from pellucid.core import Tensor, from_data
from pellucid.train.callbacks.drawing import Drawing
from pellucid.train.loop import Loop


class MixUp(Drawing):
    """Mixes each batch with itself in another order, and the loss alike.

    Formula: x = λ·xᵢ + (1 − λ)·xⱼ, loss = λ·loss(output, yᵢ) + (1 − λ)·loss(output, yⱼ), with λ drawn for each batch
    from Beta(α, α) and j from a random order of the batch. So targets may be class numbers, and any loss will do.

    Args:
        alpha: the larger, the more evenly is mixed; 0.1 to 0.4 are usual.
        seed: of its own random stream; None takes one from the default generator when the first fit begins, so that
            `manual_seed` decides it.

    The validation data are not mixed. `learner.target` stays yᵢ. Inputs are Tensors of real numbers.

    Source: Zhang and others, mixup: Beyond Empirical Risk Minimization, 2018.
    """

    changes_step = True

    def __init__(self, alpha: float = 0.4, seed: int | None = None) -> None:
        if not alpha > 0:
            raise ValueError(f"MixUp: alpha must be above 0, such as 0.4, but it is {alpha}.")
        super().__init__(seed)
        self.alpha = alpha
        self._mixture: tuple[float, Tensor] | None = None  # λ and the targets yⱼ of this batch

    def before_fit(self, learner: Loop) -> None:
        super().before_fit(learner)
        plain = learner.loss_function

        def mixed(output: Any, target: Any) -> Any:
            if self._mixture is None:
                return plain(output, target)
            part, other = self._mixture
            return plain(output, target) * part + plain(output, other) * (1 - part)

        if hasattr(plain, "total_weight"):  # the mixture counts as the batch that it is made of
            mixed.total_weight = plain.total_weight  # type: ignore[attr-defined]
        learner.replace(learner, "loss_function", mixed)
        learner.at_end(self._forget)

    def before_batch(self, learner: Loop) -> None:
        inputs = learner.inputs
        if not (hasattr(inputs, "is_floating_point") and inputs.is_floating_point()):
            kind = getattr(inputs, "dtype", type(inputs).__name__)
            raise TypeError(
                f"MixUp takes inputs that are a Tensor of real numbers, which can be mixed, but received {kind}. Bytes "
                "of an image become real numbers by .float(); numbers of words cannot be mixed."
            )
        part = float(self.random.beta(self.alpha, self.alpha))
        order = from_data(self.random.permutation(len(inputs)), device=inputs.device)
        learner.inputs = inputs * part + inputs[order] * (1 - part)
        self._mixture = part, learner.target[order]

    def after_batch(self, learner: Loop) -> None:
        self._forget()

    def _forget(self) -> None:
        self._mixture = None
