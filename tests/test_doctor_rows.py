"""What is read as the rows of a pass: its inputs, labels and outputs."""

from pathlib import Path

import numpy as np
import pytest

from pellucid.doctor import examine_script
from pellucid.doctor.probes.data import Keys, batch_of, holders, is_gradient, label_holders
from pellucid.doctor.probes.tables import Turned, by_rows
from pellucid.doctor.process.paths import Group, Scope

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
        ({"Xtr": np.ones((9, 2)), "ytr": np.arange(9.0)}, "Xtr", "ytr"),
        ({"X": np.ones((9, 2)), "y": np.arange(9.0), "log": [[0.1, 0.2, 0.3 * i] for i in range(9)]}, "X", "y"),
    ],
)
def test_rows_that_end_in_their_label(names: dict[str, object], inputs: str, labels: str) -> None:
    """Where another table is called by its name, a list of rows of three numbers may be anything."""
    scope = Scope(None, {"__main__": names})
    assert [holder.name for holder in holders(scope, 2, frozenset())] == [inputs]
    assert [holder.name for holder in label_holders(scope, frozenset(), {9})] == [labels]


def test_what_holds_the_rows_of_passes_is_known_whatever_it_is_called() -> None:
    table = np.arange(60.0).reshape(30, 2)
    scope = Scope(None, {"__main__": {"places": table, "others": table + 0.5, "pairs": table[:3]}})
    assert holders(scope, 2, frozenset()) == []
    assert [holder.name for holder in holders(scope, 2, frozenset(), rows=table[5:9])] == ["places"]


def test_a_sample_a_column_is_read_and_written_as_rows() -> None:
    x = np.arange(6.0).reshape(2, 3)
    scope = Scope(None, {}, {"x": x})
    group = Group("x", ((("object", "x"),),), (6,), (2, 3))
    held = by_rows(group, 2)
    assert isinstance(held, Turned) and held.shape == (3, 2)
    rows = held.read(scope).reshape(held.shape)
    assert rows.tolist() == [[0, 3], [1, 4], [2, 5]]
    held.write(scope, rows[::-1])
    assert x.tolist() == [[2, 1, 0], [5, 4, 3]]
    assert by_rows(group, 3) is group


COLUMNS = """
import numpy as np
rng = np.random.default_rng(0)
kind = {kind}
X = (rng.normal(size=(400, 8)) + 1.5 * np.eye(8)[kind]).T
Y = np.eye(4)[kind].T
W1, b1 = rng.normal(size=(16, 8)) * 0.3, np.zeros((16, 1))
W2, b2 = rng.normal(size=(4, 16)) * 0.3, np.zeros((4, 1))
for epoch in range(12):
    for s in range(0, 400, 20):
        x, y = X[:, s : s + 20], Y[:, s : s + 20]
        z = W1 @ x + b1
        h = np.maximum(z, 0)
        e = np.exp(W2 @ h + b2)
        p = e / e.sum(0)
        d = (p - y) / 20
        dz = W2.T @ d * (z > 0)
        W2, b2 = W2 - 0.3 * d @ h.T, b2 - 0.3 * d.sum(1, keepdims=True)
        W1, b1 = W1 - 0.3 * dz @ x.T, b1 - 0.3 * dz.sum({axis})
print(-np.sum(y * np.log(p)) / 20)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "axis", "causes"),
    [
        ("np.arange(400) // 100", "1, keepdims=True", ["unshuffled-data"]),
        ("np.arange(400) % 4", "1, keepdims=True", []),
        ("np.arange(400) // 100", "", ["wrong-backward", "unshuffled-data"]),
    ],
)
def test_columns_that_are_sorted_by_class(kind: str, axis: str, causes: list[str], tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(COLUMNS.format(kind=kind, axis=axis), encoding="utf-8")
    found = examine_script(script).findings
    assert [f.cause for f in found if f.severity in ("error", "warning")] == causes
    assert all("X[:, order], " in f.fix for f in found if f.cause == "unshuffled-data")
