"""What is read as the rows of a pass: its inputs, labels and outputs."""

import numpy as np
import pytest

from pellucid.doctor.probes.data import Keys, batch_of, is_gradient

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
