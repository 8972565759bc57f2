"""Where the labels of a program are made, by its text and the line of its loss."""

from __future__ import annotations

from pathlib import Path

import pytest

from pellucid.doctor.observed.labels import made_at

BARE = """
x, y = load()
wrong = torch.rand(len(y)) < 0.4
y[wrong] = torch.randint(0, 3, (int(wrong.sum()),))
for rows in order:
    loss = F.cross_entropy(model(x[rows]), y[rows].long())
"""
TABLES = """
answers = read()
labels = torch.tensor(answers["worker"].values)
loader = DataLoader(TensorDataset(images[train], labels[train]), shuffle=True)
test = DataLoader(TensorDataset(images[held], gold[held]))
for inputs, targets in loader:
    loss = criterion(model(inputs), targets)
"""
OWN = """
class Pets(Dataset):
    def __init__(self, files):
        self.files = files
        self.kinds = read()

    def __getitem__(self, i):
        image = load(self.files[i])
        label = 1.0 if "dog" in self.files[i] else 0.0
        return image, LAST

for images, labels in DataLoader(Pets(files)):
    loss = criterion(
        net(images),
        labels,
    )
"""
GIVEN = """
def step(model, x, y):
    return criterion(model(x), y)
"""


@pytest.mark.parametrize(
    ("source", "loss", "line"),
    [
        (BARE, 6, 4),
        (TABLES, 7, 3),
        (OWN.replace("LAST", "torch.tensor(label)"), 13, 9),
        (OWN.replace("LAST", "self.kinds[i]"), 13, 5),
        (OWN.replace("LAST", "label").replace("1.0 if", "self.kinds[i] if 1 else 1.0 if"), 13, 9),
        (
            OWN.replace("image = load(self.files[i])", "image, kind = load(i), self.kinds[i]").replace("LAST", "kind"),
            13,
            5,
        ),
        (OWN.replace("read()", "[]\n        self.kinds.append(read())").replace("LAST", "self.kinds[i]"), 14, 6),
        (GIVEN, 3, None),
        ("loss = (out - y).abs().mean()", 1, None),
    ],
    ids=["bare", "tables", "own", "own table", "made of it", "taken of it", "filled", "given", "no call"],
)
def test_where_labels_are_made(source: str, loss: int, line: int | None, tmp_path: Path) -> None:
    file = tmp_path / "train.py"
    file.write_text(source)
    assert made_at((str(file), loss)) == (None if line is None else (str(file), line))
    assert made_at(None) is None and made_at((str(tmp_path / "absent.py"), 1)) is None
