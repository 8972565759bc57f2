"""Faults that no treatment in a fork can mend are proved: by rows given one by one, and by the program as repaired."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pellucid.doctor import Report
from pellucid.doctor.observed.by_patch import replaced
from pellucid.doctor.observed.findings import by_class
from pellucid.doctor.observed.record import ProgramRecord, StepRecord
from pellucid.doctor.page import render
from pellucid.doctor.report import Finding
from pellucid.doctor.text import as_text

ROOT = Path(__file__).parent.parent

NET = """import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(0)
x = 30 + 9 * torch.randn(300, 4)
y = (x[:, 0] > 30).long() + (x[:, 1] > 30).long()
x, y, x_val, y_val = x[:200], y[:200], x[200:], y[200:]
x_val = (x_val - x.mean(0)) / x.std(0)
x = (x - x.mean(0)) / x.std(0)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(4, 16), nn.Linear(16, 3)

    def forward(self, rows):
        return F.log_softmax(self.two(torch.relu(self.one(rows))), dim=1)


model = Net()
optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
for epoch in range(15):
    for rows in torch.randperm(200).split(20):
        loss = F.nll_loss(model(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        right = (model(x_val).argmax(1) == y_val).float().mean().item()
    print(epoch, loss.item(), right)
"""
AS_USUAL = "x = (x - x.mean(0)) / x.std(0)\n"
TWICE = "x, y = torch.cat([x, x]), y.repeat_interleave(2)"
FAULTS = {
    "softmax-wrong-axis": ("dim=1", "dim=0", "share of right answers at the end, each row by itself"),
    "labels-off-by-one": ("y[rows])", "y[rows] + 1)", "loss"),
    "train-val-preprocessing-mismatch": (
        "x_val = (x_val - x.mean(0)) / x.std(0)\n",
        "",
        "share of right answers in the evaluation",
    ),
    "labels-misaligned": (AS_USUAL, AS_USUAL + TWICE + "\n", "share of right answers in the evaluation"),
    "parameter-not-optimized": ("        optimizer.step()\n", "", "share of right answers in the batch"),
}


def examined(source: str, folder: Path) -> dict[str, Any]:
    (folder / "train.py").write_text(source)
    command = [sys.executable, "-m", "pellucid", "doctor", "train.py", "--json", "said.json", "--budget", "100"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)
    return json.loads((folder / "said.json").read_text())


DIFF = """--- train.py
+++ train.fixed.py
@@ -1,2 +1,2 @@
 x = rows
-y = kinds + 1
+y = kinds
"""


def told(fork: dict[str, Any]) -> Report:
    finding = Finding(
        "labels-off-by-one", "error", 1, "Target 3.", "Ids go from 0.", "y - 1", "t.py", 2, "y = kinds + 1"
    )
    finding.fork = fork
    return Report("faults", [finding])


def test_the_change_that_was_tried_stands_below_the_fix() -> None:
    report = told({"with the fix": [1.0, 0.5, 0.1], "what": "loss", "diff": DIFF})
    lines = as_text(report).splitlines()
    at = next(i for i, line in enumerate(lines) if "Fix:" in line)
    assert lines[at + 1 : at + 4] == ["  The change that was tried:", "    -y = kinds + 1", "    +y = kinds"]
    page = render(report)
    assert page.index("Fix:") < page.index("The change that was tried") < page.index("Evidence")
    assert '<span class="should">+y = kinds</span>' in page
    assert "train.fixed.py" not in page


@pytest.mark.parametrize("names", [("with the fix",), ("as it was", "with the fix")])
def test_a_curve_with_the_fix_looks_the_same_whether_or_not_there_is_another(names: tuple[str, ...]) -> None:
    page = render(told({**{name: [1.0, 0.5] for name in names}, "what": "loss"}))
    assert page.count('<polyline class="curve fixed"') == 1
    assert page.count('<polyline class="curve was"') == len(names) - 1


def test_a_mistake_without_a_name_is_called_by_its_cause() -> None:
    found = Finding("wrong-backward", "error", 1, "", "", "", mistake="unknown")
    assert found.title == "wrong-backward"
    found.mistake = "sign"
    assert found.title == "wrong-backward: sign"


@pytest.mark.parametrize(
    ("changed", "line"),
    [("a = 1\nb = 3\n", 2), ("a = 0\nb = 3\n", None), ("a = 1\nb = 2\nc = 3\n", None), ("a = 1\nb = 2\n", None)],
)
def test_the_line_in_which_a_program_was_changed(changed: str, line: int | None) -> None:
    assert replaced("a = 1\nb = 2\n", changed) == line


def test_a_run_by_what_is_recognised_of_each_class() -> None:
    """The rare class is not in each batch, and the share of right answers falls as it is learnt."""
    never = [{0: (9, 10), 1: (0, step % 3)} for step in range(60)]
    learnt = [{0: (10 - step // 10, 10), 1: (step % 3 if step > 9 else 0, step % 3)} for step in range(60)]
    was, now = (ProgramRecord(steps=[StepRecord(1.0, recognised=r) for r in each]) for each in (never, learnt))
    curves = by_class(was, now)
    assert set(curves["as it was"]) == {0.45}
    assert curves["with the fix"][0] == 0.5 and curves["with the fix"][-1] == pytest.approx(0.75)
    assert by_class(was, ProgramRecord(steps=[StepRecord(1.0)] * 9)) == {}


@pytest.mark.slow
@pytest.mark.parametrize("cause", FAULTS)
def test_a_fault_that_no_treatment_mends_is_proved(cause: str, tmp_path: Path) -> None:
    old, new, what = FAULTS[cause]
    assert NET.count(old) == 1
    report = examined(NET.replace(old, new), tmp_path)
    first = report["findings"][0]
    assert (first["cause"], first["verified"]) == (cause, True), report
    curves = first["fork"]
    assert curves["what"] == what
    if what == "loss":
        assert curves["with the fix"][-1] < 0.5 * curves["with the fix"][0]
    else:
        assert curves["with the fix"][-1] > curves["as it was"][-1] + 0.2
    assert [first["line"], first["code"]] in [[number, text.strip()] for number, text in first["around"]]
    assert len(first["around"]) > 5
    assert cause != "labels-misaligned" or first["code"] == TWICE, "where they are made, not where it is measured"
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".py"] == ["train.py"]


@pytest.mark.slow
def test_the_program_without_a_fault_has_none(tmp_path: Path) -> None:
    report = examined(NET, tmp_path)
    assert (report["status"], report["findings"]) == ("healthy", [])
