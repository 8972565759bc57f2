"""A bias that is given one number for all its units, the sum over them as well: told by the numbers alone."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from pellucid.doctor.probes.losses import Candidate
from pellucid.doctor.probes.passes import SlopeStudy, StudiedPass
from pellucid.doctor.probes.slopes import _directions
from pellucid.doctor.rules.cells import TensorCell, shared, table
from pellucid.doctor.rules.gradient import Judgement, apart
from pellucid.doctor.rules.in_place_of import in_place_of
from pellucid.doctor.rules.summed import over_units

LOSS = Candidate("squared", ("", "p"), ("", "y"))
RATE = 0.02
TRUE = np.array([3.0, -1.0, 0.5, 2.0, -0.25, 1.0, 0.0, 4.0, -2.0, 0.75])
NO_SUM = TRUE - TRUE.mean()
GIVEN = {
    "sum": ({"b": (TRUE, np.full(10, TRUE.sum()))}, "np.sum(…, axis=1, keepdims=True)"),
    "mean": ({"b": (TRUE, np.full(10, TRUE.mean()))}, "np.mean(…, axis=1, keepdims=True)"),
    "with one whose sum is 0": (
        {"b": (TRUE, np.full(10, TRUE.sum())), "c": (NO_SUM, np.zeros(10))},
        "np.sum(…, axis=1, keepdims=True)",
    ),
    "only one whose sum is 0": ({"c": (NO_SUM, np.zeros(10))}, None),
    "another number": ({"b": (TRUE, np.full(10, TRUE.max()))}, None),
    "no one number": ({"b": (TRUE, np.where(TRUE > 0, TRUE, 0))}, None),
    "beside another mistake": ({"b": (TRUE, np.full(10, TRUE.sum())), "w": (TRUE, TRUE[::-1])}, None),
}


def _study(tensors: dict[str, tuple[np.ndarray, np.ndarray]]) -> tuple[Judgement, SlopeStudy]:
    rng = np.random.default_rng(0)
    entry = StudiedPass(0, slopes={LOSS: {}})
    for name, (true, given) in tensors.items():
        entry.gradient[name] = RATE * given
        entry.directions[name] = directions = _directions(rng, 10, RATE * given, 4)
        entry.given[name], entry.slopes[LOSS][name] = directions @ (RATE * given), directions @ true
    verdicts = dict.fromkeys(tensors, "across")
    return Judgement(LOSS, 0.8, RATE, [RATE], verdicts), SlopeStudy([entry])


@pytest.mark.parametrize("name", GIVEN)
def test_one_number_for_all_units_is_their_sum_or_their_mean(name: str) -> None:
    tensors, fix = GIVEN[name]
    groups = cast("dict[str, Any]", {other: SimpleNamespace(shape=(10, 1)) for other in tensors})
    found = over_units(*_study(tensors), groups)
    if fix is None:
        assert found is None
    else:
        assert found is not None
        assert found[0] == "missing-broadcast-sum"
        assert fix in found[2]


@pytest.mark.parametrize(("taken", "found"), [("v2", {"w": ("v2", "v1")}), ("v1", {}), ("t", {})])
def test_a_number_whose_gradient_takes_another_weight(taken: str, found: dict[str, tuple[str, str]]) -> None:
    """Known by its factor in passes in which the weights move; not where it is no weight over another."""
    rng = np.random.default_rng(0)
    study, cells = SlopeStudy([]), list[TensorCell]()
    for i in range(5):
        values = {name: rng.normal(size=1) for name in ("v1", "v2", "w")}
        study.passes.append(StudiedPass(i, values=values))
        over = values[taken] if taken in values else rng.normal(size=1)
        cells.append(TensorCell("along", RATE * float((over / values["v1"])[0])))
    right = [TensorCell("along", RATE)] * 5
    verdicts = {"v1": "right", "v2": "right", "w": "across"}
    judgement = Judgement(LOSS, 0.8, RATE, [RATE] * 5, verdicts, cells={"v1": right, "v2": right, "w": cells})
    judgement.single = frozenset(verdicts)
    assert in_place_of(judgement, study) == found


def test_a_number_that_climbs_is_wrong_beside_a_tensor_that_descends() -> None:
    """Though units that are off leave the tensor fewer passes; not where the tensor is seen in few of them."""
    assert shared([(-0.1, 1.0)] * 6 + [(0.1, 8.0)] * 5) == 0.1
    assert shared([(-0.1, 1.0)] * 6 + [(0.1, 8.0)] * 3) == -0.1
    assert shared([(-0.1, 8.0)] * 6 + [(0.1, 1.0)] * 5) == -0.1


def test_what_only_some_elements_of_are_moved_is_a_mistake_of_its_own() -> None:
    judgement = Judgement(LOSS, 0.8, RATE, [RATE], {"w": "across", "v": "resting", "b": "right"}, resting={"v": [1]})
    amiss, resting = apart(judgement)
    assert (amiss.wrong, resting.wrong) == (["w"], ["v"])
    assert apart(amiss) == [amiss]


def test_a_tensor_that_a_pass_did_not_measure_shows_nothing() -> None:
    judgement, study = _study(GIVEN["sum"][0])
    del study.passes[0].directions["b"]
    assert over_units(judgement, study, {}) is None


def test_the_axis_is_that_of_the_samples_and_a_kink_hides_one_direction_only() -> None:
    judgement, study = _study(GIVEN["sum"][0])
    study.passes[0].slopes[LOSS]["b"][1] = np.nan
    groups = cast("dict[str, Any]", {"b": SimpleNamespace(shape=(1, 10))})
    found = over_units(judgement, study, groups)
    assert found is not None
    assert found[2].endswith("np.sum(…, axis=0, keepdims=True)")


@pytest.mark.parametrize(("clipped", "state"), [(False, "across"), (True, "silent")])
def test_one_number_for_all_units_is_cut_only_where_other_gradients_are_cut_there_too(
    clipped: bool, state: str
) -> None:
    """In a program that clips something, such as the scores of a sigmoid."""
    rng = np.random.default_rng(0)
    passes: list[StudiedPass] = []
    for i in range(4):
        bias = rng.normal(size=5)
        slopes = {"w": rng.normal(size=6), "b": bias}
        given = {"w": slopes["w"], "b": np.full(5, 3.0 if clipped else bias.sum())}
        entry = StudiedPass(i, slopes={LOSS: slopes}, clips=True)
        for name, values in given.items():
            entry.directions[name] = np.eye(values.size)
            entry.gradient[name] = entry.given[name] = RATE * values
            entry.update[name], entry.values[name] = -RATE * values, rng.normal(size=values.size)
        passes.append(entry)
    assert {cell.state for cell in table(passes, LOSS)["b"]} == {state}
