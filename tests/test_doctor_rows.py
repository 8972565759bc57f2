"""What is read as the rows of a pass: its inputs, labels and outputs."""

import numpy as np
import pytest

from pellucid.doctor.probes.data import Keys, batch_of, holders, is_gradient, label_holders
from pellucid.doctor.process.paths import Scope

YES = ["dz", "dZ2", "grads['W1']", "self.delta", "error", "d_out"]
NO = ["p", "data", "self.a2", "yhat", "dense"]


@pytest.mark.parametrize("name", [*YES, *NO])
def test_what_is_called_like_a_gradient_is_no_output(name: str) -> None:
    assert is_gradient(("", name)) is (name in YES)


def test_rows_that_are_taken_one_by_one_out_of_a_matrix() -> None:
    x, y = np.arange(12.0).reshape(6, 2), np.arange(6.0)
    seen = {("", "X"): [x] * 6, ("", "y[i]"): [*y], ("", "o"): [*y]}
    batch = batch_of(seen, Keys(("", "X"), ("", "y[i]"), ("", "o")))
    assert batch.inputs is not None and batch.labels is not None
    assert np.array_equal(batch.inputs, x)
    assert np.array_equal(batch.labels.ravel(), y)


@pytest.mark.parametrize(
    ("names", "inputs", "labels"),
    [
        ({"rows": [[0.5 * i, 100.0 + i, 3.3 * i] for i in range(9)]}, "rows[*][:-1]", "rows[*][-1]"),  # a price
        ({"rows": [[0.5 * i, 100.0 + i, i % 2] for i in range(9)]}, "rows[*][:-1]", "rows[*][-1]"),
        ({"X": np.ones((9, 2)), "y": np.arange(9.0), "log": [[0.1, 0.2, 0.3 * i] for i in range(9)]}, "X", "y"),
    ],
)
def test_rows_that_end_in_their_label(names: dict[str, object], inputs: str, labels: str) -> None:
    """Where another table is called by its name, a list of rows of three numbers may be anything."""
    scope = Scope(None, {"__main__": names})
    assert [holder.name for holder in holders(scope, 2, frozenset())] == [inputs]
    assert [holder.name for holder in label_holders(scope, frozenset(), {9})] == [labels]
