"""What callbacks share that draw random numbers: a stream of their own, which is part of the run's state."""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.random import default_generator
from pellucid.train.loop import Callback, Loop


class Drawing(Callback):
    """A callback with `random`, a generator of NumPy's.

    Args:
        seed: of the stream; None takes one from the default generator when the first fit begins, so that `manual_seed`
            decides it.
    """

    def __init__(self, seed: int | None = None) -> None:
        self.seed = seed
        self._random: np.random.Generator | None = None if seed is None else np.random.default_rng(seed)

    @property
    def random(self) -> np.random.Generator:
        if self._random is None:
            self._random = np.random.default_rng(int(default_generator.randint(0, 2**31, ())))
        return self._random

    def before_fit(self, learner: Loop) -> None:
        _ = self.random

    def state_dict(self) -> dict[str, Any]:
        return {"random": None if self._random is None else self._random.bit_generator.state}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if state["random"] is not None:
            self._random = np.random.default_rng()
            self._random.bit_generator.state = state["random"]
