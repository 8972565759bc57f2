"""`--fix` for inputs of the wrong scale, signs of terms, halves, updates and results that are lost: what is written."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from pellucid.doctor.finding import Finding
from pellucid.doctor.repairs import repairs

SPLIT = """import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

X = torch.randn(60, 3) * torch.tensor([1.0, 5.0, 900.0]) + 40
y = (X[:, 0] > 40).long()
X_train, X_test = X[:40], X[40:]
y_train, y_test = y[:40], y[40:]
LOADERS
model = nn.Linear(3, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)


def accuracy(inputs, labels):
    return (model(inputs).argmax(1) == labels).float().mean()


for epoch in range(3):
    BATCHES
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(xb), yb)
        loss.backward()
        optimizer.step()
print(EVALUATED)
"""
LOADED = "loader = DataLoader(TensorDataset(X_train, y_train), batch_size=8)"
STYLES = [
    (LOADED, "for i, (xb, yb) in enumerate(loader):", "accuracy(X_test, y_test)"),
    (LOADED, "for xb, yb in loader:", "model(X_test.float()).argmax(1)"),
    ("", "for rows in torch.randperm(40).split(8):\n        xb, yb = X_train[rows], y_train[rows]", "model(X_test)"),
]


def first(source: str, cause: str, fix: str, line: int, **measured: Any) -> str:
    """The first repair of a source."""
    finding = Finding(cause, "error", 0.9, "", "", fix)
    finding.file, finding.line, finding.details = "train.py", line, [measured] if measured else []
    return next(iter(repairs(finding, source)))


def changed(before: str, after: str) -> list[str]:
    old = before.splitlines()
    return [line for line in after.splitlines() if line not in old]


@pytest.mark.parametrize(("loaders", "batches", "evaluated"), STYLES)
def test_all_rows_are_brought_to_the_scale_of_the_training(loaders: str, batches: str, evaluated: str) -> None:
    source = SPLIT.replace("LOADERS", loaders).replace("BATCHES", batches).replace("EVALUATED", evaluated)
    line = source.splitlines().index("        loss.backward()") + 1
    columns: dict[str, Any] = {"mean": [0.0] * 3, "std": [1.0] * 3}
    after = first(source, "feature-scale-mismatch", "x = (x - x.mean(0)) / x.std(0)", line, **columns)
    assert changed(source, after) == [
        "mean, std = X_train.mean(0), X_train.std(0)",
        "X_train = (X_train - mean) / std",
        "X_test = (X_test - mean) / std",
    ]
    names: dict[str, Any] = {}
    exec(after.replace("from torch", "from pellucid").replace("import torch", "import pellucid as torch"), names)  # noqa: S102
    assert abs(float(names["X_train"].mean())) < 1e-5 and float(names["X_test"].abs().max()) < 6
    whole = first(source, "input-not-scaled", "x = (x - x.mean()) / x.std()", line, mean=3.0, std=2.0)
    assert "mean, std = X_train.mean(), X_train.std()" in changed(source, whole)
    still = first(source, "feature-scale-mismatch", "x = (x - x.mean(0)) / x.std(0).clamp(min=1e-6)", line, **columns)
    assert "mean, std = X_train.mean(0), X_train.std(0) + 1e-6" in changed(source, still)


def test_one_table_pixels_and_tables_without_a_name() -> None:
    source = SPLIT.replace("LOADERS", "").replace(
        "BATCHES", "for i in range(0, 40, 8):\n        xb, yb = X[i : i + 8], y[i : i + 8]"
    )
    source = source.replace("EVALUATED", "model(X).argmax(1)")
    line = source.splitlines().index("        loss.backward()") + 1
    assert changed(source, first(source, "input-not-scaled", "", line, mean=3.0, std=2.0)) == [
        "X = (X - X.mean()) / X.std()"
    ]
    assert changed(source, first(source, "input-not-scaled", "", line, mean=3.0, std=2.0, bytes=True)) == [
        "X = X / 255"
    ]
    drawn = source.replace("X[i : i + 8]", "torch.randn(8, 3)")
    after = first(drawn, "input-not-scaled", "", line, mean=3.0, std=2.0)
    assert [line for line in changed(drawn, after) if "given[0] - 3) / 2" in line], (
        "by what was seen, where it comes in"
    )


@pytest.mark.parametrize(
    ("line", "repaired"),
    [
        ("kl = 0.5 * (1 + v).sum()", "kl = -0.5 * (1 + v).sum()"),
        ("kl = -0.5 * (1 + v).sum()", "kl = 0.5 * (1 + v).sum()"),
        ("kl = -(a + b)", "kl = a + b"),
        ("return wrong - 0.1 * decay", "return wrong + 0.1 * decay"),
        ("loss = wrong + kl", "loss = wrong - kl"),
        ("kl = divergence(p, q)", "kl = -divergence(p, q)"),
    ],
)
def test_a_term_with_the_other_sign(line: str, repaired: str) -> None:
    source = f"def f():\n    {line}\n"
    after = first(source, "loss-sign-flipped", "the other sign for this term of the loss", 2)
    assert after == f"def f():\n    {repaired}\n"


def test_halves_that_are_trained_together() -> None:
    source = (
        "encoder, decoder = nn.Linear(4, 2), nn.Linear(2, 4)\no = Adam(decoder.parameters())\ny = decoder(encoder(x))\n"
    )
    finding = Finding("parameter-not-optimized", "error", 0.9, "", "", "make the optimiser with the parameters of …")
    finding.file, finding.line = "train.py", 2
    assert any("[*encoder.parameters(), *decoder.parameters()]" in after for after in repairs(finding, source))
    assert all(one != other for one, other in pairwise(repairs(finding, source)))


def test_an_update_for_each_batch() -> None:
    source = "for e in range(9):\n    for x, y in d:\n        o.zero_grad()\n        m(x, y).backward()\n    o.step()\n"
    after = first(
        source, "too-few-updates", "optimizer.step() after each loss.backward(), within the loop over the batches", 5
    )
    assert after.splitlines()[3:] == ["        m(x, y).backward()", "        o.step()", "    pass"]


@pytest.mark.parametrize("call", ["F.relu(x)", "self.act(x)", "x.relu()"])
def test_a_result_that_is_taken(call: str) -> None:
    source = f"def forward(self, x):\n    {call}\n    return x\n"
    after = first(source, "no-nonlinearity", "x = F.relu(x), not F.relu(x)", 2)
    assert after == f"def forward(self, x):\n    x = {call}\n    return x\n"
