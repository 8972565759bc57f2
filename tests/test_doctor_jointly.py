"""Two faults of which each hides what mending the other one would bring."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from pellucid.doctor.observed.laboratory import Laboratory
from pellucid.doctor.observed.record import OptimizerRecord, ProgramRecord, StepRecord
from pellucid.doctor.observed.search import Search
from pellucid.doctor.observed.suspicion import Suspicion
from pellucid.doctor.observed.treatments import Treatment


def run(accuracy: float) -> ProgramRecord:
    record = ProgramRecord(steps=[StepRecord(1 - accuracy, accuracy=accuracy, count=50) for _ in range(40)])
    record.targets = [np.arange(50) % 2]
    record.optimizers = [OptimizerRecord("Adam", {"lr": 1e-3})]
    return record


class Runs(Laboratory):
    """What a program comes to by how many of its faults are mended."""

    def __init__(self, ends: dict[int, float]) -> None:
        super().__init__(time.monotonic() + 100)
        self.ends = ends

    def several(self, each: Sequence[Sequence[Treatment]], steps: int, seconds: float) -> list[Any]:
        return [run(self.ends[len(treatments)]) for treatments in each]


@pytest.mark.parametrize(
    ("begin", "both", "found"),
    [
        (0.7, 0.97, ["no-nonlinearity", "parameter-not-optimized"]),
        (0.7, 0.8, []),
        (0.85, 0.99, []),
        (0.5, 0.97, ["no-nonlinearity", "parameter-not-optimized"]),
    ],
    ids=["half way", "hardly better", "nearly there", "nothing learnt"],
)
def test_two_faults_that_help_only_together(begin: float, both: float, found: list[str]) -> None:
    search = Search(Runs({1: begin + 0.01, 2: both, 3: begin}), run(begin))
    for cause in ("no-nonlinearity", "parameter-not-optimized"):
        search.alone.append((Suspicion(cause, "", "", "", treatments=[Treatment()]), run(begin + 0.01)))
    search._jointly()
    assert sorted(f.cause for f in search.found if f.severity == "error" and f.verified) == found
