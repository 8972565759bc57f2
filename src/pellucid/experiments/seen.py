"""Whether rows that a network is asked about are among those that it was trained on: then it answers by heart."""

from __future__ import annotations

import dataclasses

import numpy as np

from pellucid.experiments import data as source
from pellucid.experiments.config import Config


def trained_on(x: np.ndarray, config: Config, fingerprint: str) -> np.ndarray | None:
    """For each row of `x`, as the network takes it, whether one like it was trained on. (N, …) -> (N,) bool.

    None where the data that the run learned from are not there any more, or have changed.
    """
    options = {name: value for name, value in dataclasses.asdict(config).items() if value is not None}
    try:
        data = source.load({**options, "quiet": True})
    except (ValueError, OSError):  # the table was moved or written anew: nothing is known of its rows
        return None
    if source.fingerprint(data) != fingerprint:
        return None
    known = {row.tobytes() for row in np.ascontiguousarray(data.x_train)}
    return np.array([row.tobytes() in known for row in np.ascontiguousarray(x)], bool)
