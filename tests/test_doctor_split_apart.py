"""Rows and labels that are split by two calls: in orders of their own, and in the same one."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid as torch
from pellucid import nn, optim
from pellucid.doctor.observed import orders
from pellucid.doctor.observed.rules import data
from pellucid.nn import functional as F
from tests.watching import watched

APART = """
a, b = train_test_split(X{first})
c, d = model_selection.train_test_split(y{second})
"""


@pytest.mark.parametrize(
    ("first", "second", "found"),
    [
        ("", "", True),
        (", test_size=0.2", ", test_size=0.2", True),
        (", random_state=0", ", random_state=1", True),
        (", random_state=0", "", True),
        (", random_state=0", ", random_state=0", False),
        (", shuffle=False", ", shuffle=False", False),
        (")\nnp.random.seed(0", "", False),
        (", y", ", X", False),
        (", **same", ", **same", False),
    ],
)
def test_two_calls_that_draw_their_own_order(first: str, second: str, found: bool, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(APART.format(first=first, second=second), encoding="utf-8")
    file = str(tmp_path / "train.py")
    assert orders.split_apart((file, 1)) == ((file, 3) if found else None)


@pytest.mark.parametrize("aligned", [True, False])
def test_labels_that_are_split_by_themselves(aligned: bool, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(APART.format(first="", second=""), encoding="utf-8")
    draw = np.random.default_rng(0)
    x = draw.normal(size=(300, 4)).astype(np.float32)
    y = (x @ np.array([[1.0], [2.0], [-1.0], [0.5]])).astype(np.float32)
    rows, labels = torch.tensor(x), torch.tensor(y if aligned else draw.permutation(y))

    def program() -> None:
        network: Any = nn.Linear(4, 1)
        optimizer = optim.Adam(network.parameters(), lr=0.01)
        for _ in range(20):
            optimizer.zero_grad()
            F.mse_loss(network(rows), labels).backward()
            optimizer.step()

    record = watched(program)
    record.lines["backward"] = (str(tmp_path / "train.py"), 1)
    assert [s.cause for s in data.split_apart(record)] == ([] if aligned else ["labels-misaligned"])
