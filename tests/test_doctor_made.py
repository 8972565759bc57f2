"""Where the source of a PyTorch program makes the rows that a network is given."""

from pathlib import Path

import pytest

from pellucid.doctor.finding import Finding
from pellucid.doctor.observed.made import prepared_alone, scaled_at

DATA_SET = """class Rows(Dataset):
    def __getitem__(self, i):
        x = self.x[i]
        if self.train:
            x = turned(x)
            x = (x - MEAN) / STD
        return x, self.y[i]
"""
TRANSFORMS = """import transforms as T
ways = {
    "train": T.Compose([T.Flip(), T.ToTensor(), T.Normalize(0.3, 0.1)]),
    "val": T.Compose([T.ToTensor()]),
}
"""
NAMED = """train_way = Compose([ToTensor(), Normalize(0.3, 0.1)])
test_way = Compose([ToTensor(), Normalize(0.5, 0.5)])
"""


@pytest.mark.parametrize(
    ("source", "line"),
    [
        (DATA_SET, 6),
        (DATA_SET.replace("        return x,", "        else:\n            x = x / 255\n        return x,"), None),
        (DATA_SET.replace("self.train", "self.turns"), None),
        (TRANSFORMS, 4),
        (TRANSFORMS.replace("ToTensor()]", "ToTensor(), T.Normalize(0.3, 0.1)]"), None),
        (NAMED, None),
    ],
)
def test_a_preparation_of_the_rows_of_the_training_alone(source: str, line: int | None, tmp_path: Path) -> None:
    script = tmp_path / "data.py"
    script.write_text(source)
    assert prepared_alone((str(script), 1)) == ((str(script), line) if line else None)
    (tmp_path / "train.py").write_text("from data import *\nfit()\n")
    assert prepared_alone((str(tmp_path / "train.py"), 2)) == ((str(script), line) if line else None)


BY_HAND = """import torch
x = read()

x_test = x[80:]
model = torch.nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for i in range(9):
    loss = criterion(model(x[:80]), y)
    loss.backward()
print(model(x_test))
"""


@pytest.mark.parametrize(
    ("cause", "source", "line"),
    [
        ("input-not-scaled", BY_HAND, 2),
        ("input-not-scaled", BY_HAND.replace("x_test =", "x_mean = x.mean(0)\nx, x_test = x[:80],"), 5),
        ("lr-too-low", BY_HAND, None),
        ("input-not-scaled", BY_HAND.replace("x[:80]", "draw()").replace("(x_test)", "(draw())"), None),
    ],
)
def test_the_line_that_makes_what_is_not_scaled(cause: str, source: str, line: int | None, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(source)
    finding = Finding(cause, "error", 1.0, "", "", "", str(script), 8, details=[{"mean": 5.0, "std": 90.0}])
    assert scaled_at(finding) == line
