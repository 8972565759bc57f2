"""The average of the weights along the way, which is often better than where it ends."""

from __future__ import annotations

from typing import Any

from pellucid.core import no_grad
from pellucid.train.loop import Callback, Loop


class EMA(Callback):
    """Keeps an exponential moving average of the model, and evaluates and predicts with it.

    Formula, after each step of the optimiser: average ← decay·average + (1 − decay)·weight; it begins as a copy of the
    weights after the first. Buffers of real numbers (the running means of batch normalisation) are averaged alike, as
    they belong to the averaged weights; others, such as counters, are copied.

    Training itself is not changed: the average is in the model's place from `before_evaluate` to `after_evaluate` only.
    `average` is its state dict; to go on with it, `model.load_state_dict(ema.average)`.

    Args:
        decay: the average reaches back over about 1/(1 − decay) steps.

    Source: Polyak and Juditsky, Acceleration of Stochastic Approximation by Averaging, 1992; Tarvainen and Valpola,
    Mean teachers are better role models, 2017. PyTorch: `AveragedModel` with `get_ema_multi_avg_fn`.
    """

    order = 5  # after other callbacks that change the weights

    def __init__(self, decay: float = 0.999) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"EMA: decay is from 0 to below 1, such as 0.999, but it is {decay}.")
        self.decay = decay
        self._average: dict[str, Any] | None = None
        self._own: dict[str, Any] | None = None  # the weights of the model, while the average is in their place

    @property
    def average(self) -> dict[str, Any]:
        """The averaged state dict, a copy. Raises RuntimeError before the first step."""
        if self._average is None:
            raise RuntimeError("EMA has no average before the first step of a fit.")
        return _copy(self._average)

    def before_fit(self, learner: Loop) -> None:
        learner.at_end(lambda: self._swap_back(learner))

    def after_step(self, learner: Loop) -> None:
        with no_grad():
            now = learner.model.state_dict()
            if self._average is None:
                self._average = _copy(now)
                return
            for name, tensor in now.items():
                average = self._average[name]
                if average.is_floating_point():
                    average.lerp_(tensor, 1 - self.decay)
                else:
                    average.copy_(tensor)

    def before_evaluate(self, learner: Loop) -> None:
        if self._average is not None:
            self._own = _copy(learner.model.state_dict())
            learner.model.load_state_dict(self._average)

    def after_evaluate(self, learner: Loop) -> None:
        self._swap_back(learner)

    def _swap_back(self, learner: Loop) -> None:
        if self._own is not None:
            learner.model.load_state_dict(self._own)
            self._own = None

    def state_dict(self) -> dict[str, Any]:
        return {"average": self._average}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._average = None if state["average"] is None else _copy(state["average"])


def _copy(state: dict[str, Any]) -> dict[str, Any]:
    with no_grad():
        return {name: tensor.detach().clone() for name, tensor in state.items()}
