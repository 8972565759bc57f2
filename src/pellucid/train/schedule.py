"""The learning rate over a run."""

from __future__ import annotations

import math

from pellucid.train.callback import Callback
from pellucid.train.learner import Learner


class CosineDecay(Callback):
    """Lowers the learning rate from `lr` to 0 over the run, along half a cosine.

    Formula: lr · (1 + cos(π · step / steps)) / 2, where `steps` is the number of all steps of the run. A function of
    the step alone, so nothing needs to be remembered for a resume.

    Source: Loshchilov and Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts, 2017, without the restarts.
    """

    order = -50

    def __init__(self, lr: float) -> None:
        self.lr = lr

    def before_batch(self, learner: Learner) -> None:
        for group in learner.optimizer.param_groups:
            learner.replace(group, "lr", self.lr * (1 + math.cos(math.pi * learner.progress)) / 2)
