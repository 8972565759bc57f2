"""Where the source of a PyTorch program prepares the rows of the training alone."""

from pathlib import Path

import pytest

from pellucid.doctor.observed.preparations import prepared_alone

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
