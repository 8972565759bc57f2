"""Train on mixtures of two samples."""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.core import from_data
from pellucid.random import default_generator
from pellucid.train.loop import Callback, Loop


class MixUp(Callback):
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
        self.alpha, self.seed = alpha, seed
        self._random: np.random.Generator | None = None if seed is None else np.random.default_rng(seed)
        self._mixture: tuple[float, Any] | None = None  # λ and the targets yⱼ of this batch

    def before_fit(self, learner: Loop) -> None:
        if self._random is None:
            self._random = np.random.default_rng(int(default_generator.randint(0, 2**31, ())))
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
        part = float(self._random.beta(self.alpha, self.alpha))  # type: ignore[union-attr] (made in before_fit)
        order = from_data(self._random.permutation(len(inputs)), device=inputs.device)  # type: ignore[union-attr]
        learner.inputs = inputs * part + inputs[order] * (1 - part)
        self._mixture = part, learner.target[order]

    def after_batch(self, learner: Loop) -> None:
        self._forget()

    def _forget(self) -> None:
        self._mixture = None

    def state_dict(self) -> dict[str, Any]:
        return {"random": None if self._random is None else self._random.bit_generator.state}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if state["random"] is not None:
            self._random = np.random.default_rng()
            self._random.bit_generator.state = state["random"]
