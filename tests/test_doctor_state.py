"""What a pass changed is put back, large arrays too, and each piece of memory once."""

from __future__ import annotations

import random
from collections.abc import Callable
from enum import Enum

import numpy as np
import pytest

from pellucid.doctor.process.child import ask
from pellucid.doctor.process.paths import Scope
from pellucid.doctor.process.state import MANY, SavedArray, SavedState

CHANGES: dict[str, Callable[[np.ndarray], object]] = {
    "nothing": lambda a: None,
    "rows in another order": lambda a: np.random.default_rng(0).shuffle(a),
    "one row": lambda a: a[3].fill(7),
    "one column": lambda a: a[:, 5].fill(np.nan),
    "all": lambda a: a.__imul__(2),
}


@pytest.mark.parametrize("rows", [10, 400])
@pytest.mark.parametrize("change", CHANGES)
def test_an_array_is_what_it_was(change: str, rows: int) -> None:
    array = np.random.default_rng(1).normal(size=(rows, 784))
    assert (array.size >= MANY) is (rows == 400)
    was, saved = array.copy(), SavedArray(array)
    for _ in range(2):
        CHANGES[change](array)
        saved.restore()
        assert np.array_equal(array, was)


def test_the_memory_of_a_view_is_kept_once() -> None:
    whole = np.arange(12.0).reshape(3, 4)
    names = {"whole": whole, "part": whole[1:].T, "other": np.zeros(3), "alone": np.arange(6.0)[2:]}
    state = SavedState(Scope(None, {"program": names}))
    assert {id(saved.array) for saved in state.arrays} == {id(names[name]) for name in ("whole", "other", "alone")}
    names["part"][:] = -1
    names["alone"][:] = -1
    state.restore()
    assert np.array_equal(whole.ravel(), np.arange(12.0)) and np.array_equal(names["alone"], np.arange(2.0, 6.0))


def test_a_fork_draws_what_the_program_would_have_drawn() -> None:
    """Python seeds `random` anew in each child: samples drawn with it were others in every fork."""
    drawn = [ask(lambda: (random.random(), float(np.random.rand())), 10) for _ in range(2)]  # noqa: NPY002
    assert drawn[0] == drawn[1] == (random.random(), float(np.random.rand()))  # noqa: NPY002


def test_a_view_has_its_shape_back() -> None:
    whole = np.arange(12.0).reshape(3, 4)
    names = {"whole": whole, "row": whole[1]}
    state = SavedState(Scope(None, {"program": names}))
    names["row"].shape += (1,)
    state.restore()
    assert names["row"].shape == (4,) and np.shares_memory(names["row"], whole)


def test_an_enum_of_the_program_is_left_as_it_is() -> None:
    class Kind(Enum):
        FULL = 1

    class Settings:
        rate = 0.1

    Kind.__module__ = Settings.__module__ = "m"
    state = SavedState(Scope(None, {"m": {}}, {"kind": Kind, "settings": Settings}))
    Settings.rate = 0.2
    state.restore()
    assert Settings.rate == 0.1
    assert Kind.FULL.value == 1
