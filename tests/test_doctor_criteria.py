"""Where the loss is made that a PyTorch program calls."""

from pathlib import Path

import pytest

from pellucid.doctor.finding import Finding
from pellucid.doctor.observed.criteria import placed

PROGRAM = """criterion = nn.BCEWithLogitsLoss()
class Trainer:
    def __init__(self):
        self.loss = nn.MSELoss()

    def step(self, x, y):
        loss = self.loss(self.net(x), y)
        return loss + F.mse_loss(x, y)

loss = criterion(net(x), y)
"""


@pytest.mark.parametrize(
    ("source", "cause", "line", "shown"),
    [
        (PROGRAM, "class-imbalance", 10, 1),
        (PROGRAM, "wrong-loss-for-task", 7, 4),
        (PROGRAM, "wrong-loss-for-task", 8, 8),
        (PROGRAM, "output-range-mismatch", 10, 10),
        (PROGRAM + "criterion = nn.MSELoss()\n", "class-imbalance", 10, 10),
    ],
)
def test_what_another_loss_would_mend_stands_where_the_loss_is_made(
    source: str, cause: str, line: int, shown: int, tmp_path: Path
) -> None:
    script = tmp_path / "train.py"
    script.write_text(source)
    finding = Finding(cause, "error", 1.0, "", "", "", str(script), line)
    placed([finding])
    assert finding.line == shown
    assert finding.code == source.splitlines()[shown - 1].strip() or shown == line
