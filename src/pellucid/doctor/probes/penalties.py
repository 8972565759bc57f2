"""What is the slope of a penalty: a parameter times a number, `2 * lam * w`, which is nobody's output."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pellucid.doctor.process.alike import same_series
from pellucid.doctor.process.watch import Key

LARGEST_TABLE = 20_000  # numbers, in which the one that a penalty is of is looked for
LONGEST = 2000  # values of a series
MOST_NUMBERS = 300
NEAR = 1e-12  # of a number, which a product may be off by


def numbers_of(seen: dict[Key, list[np.ndarray]], moved: dict[Key, list[np.ndarray]]) -> list[float]:
    """The single numbers that the parameters do not change: rates, and what a penalty is multiplied with. `moved` is
    the same pass with other parameters."""
    found = {
        float(series[0].ravel()[0])
        for key, series in seen.items()
        if key[0] == "" and series[0].size == 1 and key in moved and same_series(series, moved[key])
    }
    return [value for value in found if np.isfinite(value) and value not in (0.0, 1.0, -1.0)][:MOST_NUMBERS]


class Penalties:
    """The parameters, `tensors`, and the numbers that the program knows."""

    def __init__(self, tensors: Sequence[np.ndarray], numbers: Sequence[float]) -> None:
        self.tensors = [(values, np.sort(values)) for values in tensors]
        self.numbers = np.array(numbers)

    def has(self, series: list[np.ndarray]) -> bool:
        """Whether a value is a parameter, or a part of one, times a number. Of a part the number is one that the
        program knows.

        >>> w = np.array([0.5, -0.2, 0.3])
        >>> penalties = Penalties([w], [0.02])
        >>> penalties.has([7 * w]), penalties.has([0.02 * w[1:]]), penalties.has([0.03 * w[1:]])
        (True, True, False)
        """
        if len(series) > 1 and (len(series) > LONGEST or any(value.size != 1 for value in series)):
            return False
        first = np.concatenate([value.ravel() for value in series]) if series else np.zeros(0)
        if not first.size or not np.isfinite(first).all() or not first.all():
            return False
        for values, ordered in self.tensors:
            if values.size == first.size > 1:
                share = float(first @ values) / max(float(values @ values), 1e-300)
                if share not in (0.0, 1.0) and np.abs(first - share * values).max() <= 1e-12 * np.abs(first).max():
                    return True
            is_part = first.size < values.size <= LARGEST_TABLE or values.size == first.size == 1
            if is_part and any(np.isin(first, values * number).all() for number in self._likely(first[0], ordered)):
                return True
        return False

    def _likely(self, value: float, ordered: np.ndarray) -> np.ndarray:
        """The numbers of which some element's multiple is this value: a few of hundreds."""
        wanted = value / self.numbers
        place = np.searchsorted(ordered, wanted)
        below, above = ordered[np.maximum(place - 1, 0)], ordered[np.minimum(place, len(ordered) - 1)]
        off = np.minimum(np.abs(below - wanted), np.abs(above - wanted))
        return self.numbers[off <= NEAR * np.abs(wanted)]
