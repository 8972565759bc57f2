"""Where a program first had the labels, the rows and the broken numbers that it trains on, its lines being followed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pellucid.doctor.finding import Finding
from pellucid.doctor.observed.firsts import firsts, shown_where_made
from pellucid.doctor.observed.following import Follower
from pellucid.doctor.observed.places import called_by_hand
from pellucid.doctor.observed.record import HeldOutRecord, LossRecord, OpRecord, ProgramRecord

HEAD = "import numpy as np\nrng = np.random.default_rng(0)\n"
NOISY = """def annotate(y):
    guess = rng.integers(0, 5, len(y))
    return np.where(rng.random(len(y)) < 0.5, guess, y)
x, clean = rng.random((60, 3)), rng.integers(0, 5, 60)
y = annotate(clean)
held = x[40:]
x, y = x[:40] * 2.0, y[:40].astype(float)
batch, target = x[3:19], y[3:19]
"""
IN_PLACE = """x, y = rng.random((60, 3)), rng.integers(0, 5, 60)
order = rng.permutation(60)
y[order[:30]] = 7
x, y = x[order], y[order]
batch, target = x[:16], y[:16]
"""
ONE_BY_ONE = """class Masks:
    def __init__(self, n):
        self.images, self.masks = [], []
        for _ in range(n):
            m = rng.random((4, 4)) < 0.5
            self.images.append(rng.random((4, 4)) + m)
            self.masks.append((m * 255).astype(np.uint8))
    def __getitem__(self, i):
        return (self.images[i] - 0.3) / 0.4, self.masks[i].astype(float)
data = Masks(50)
rows = [data[i] for i in rng.permutation(50)[:16]]
batch, target = np.stack([r[0] for r in rows]).reshape(16, 16), np.stack([r[1] for r in rows])
"""
RATIO = """def features(c):
    with np.errstate(all="ignore"):
        ratio = c["a"] / c["b"]
    return np.column_stack([c["a"], ratio])
filled = np.array([1.0, np.nan, 3.0, 4.0, 5.0])
filled = np.nan_to_num(filled)
c = dict(a=rng.random(60), b=rng.integers(0, 3, 60).astype(float))
x = features(c)
x = (x - 1.0) / 2.0
losses = np.full(3, np.inf)
batch, target = x[:16], c["b"][:16]
"""
COPIES = """def split(x):
    order = rng.permutation(len(x))
    return x[order[:80]], x[order[80:]]
def prepare(x):
    x = x[rng.integers(0, len(x), 100)]
    train, held = split(x)
    return train.astype("float32"), held.astype("float32")
x = rng.random((40, 3))
x, held = prepare(x)
batch, target = x[:16], x[:16, 0]
"""
APART = """train = [(rng.random(3), k % 2) for k in range(60)]
test = [(rng.random(3), k % 2) for k in range(60)]
x = np.stack([a for a, _ in train])
x, mean, std = (x - x.mean(0)) / x.std(0), x.mean(0), x.std(0)
held = np.stack([a for a, _ in test])
y = np.array([b for _, b in train])
batch, target = x[:16], y[:16]
"""
TABLE = """import pandas as pd
df = pd.DataFrame(dict(a=rng.random(60), b=rng.random(60), y=rng.random(60)))
def prepare(df):
    x, y = df[["a", "b"]], df["y"]
    x = x.sample(frac=1, random_state=0)
    x, y = (x - x.mean()) / x.std(), (y - 0.2) / 3
    return x.to_numpy(np.float32), y.to_numpy(np.float32)
x, y = prepare(df)
batch, target = x[:16], y[:16]
"""
SHUFFLED = """x, y = rng.random((60, 3)), np.arange(60) % 4
p = rng.permutation(60)
np.random.shuffle(x)
x, y = x[p], y[p]
batch, target = x[:16], y[:16]
"""
LATE = """x = rng.random((60, 3))
x = x[rng.permutation(60)]
y = x.sum(1)
batch, target = x[:16], y[:16]
"""


@pytest.mark.parametrize(
    ("source", "what", "line"),
    [
        (NOISY, "labels", 5),
        (IN_PLACE, "labels", 5),
        (ONE_BY_ONE, "labels", 9),
        (RATIO, "bad", 5),
        (COPIES, "split", 8),
        (APART, "held", 4),
        (APART, "labels", 3),
        (APART, "bad", None),
        (APART, "split", None),
        (TABLE, "order", 7),
        (SHUFFLED, "order", 5),
        (SHUFFLED.replace("np.random.shuffle(x)", "np.random.shuffle(y)"), "order", 5),
        (SHUFFLED.replace("np.random.shuffle(x)", "pass"), "order", None),
        (LATE, "order", None),
    ],
    ids=[
        "by a function",
        "in place",
        "one by one",
        "a ratio",
        "copies",
        "apart",
        "a list",
        "finite",
        "no copies",
        "a sampled table",
        "rows alone",
        "labels alone",
        "both",
        "made of rows",
    ],
)
def test_since_which_line_numbers_are_there(source: str, what: str, line: int | None, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(HEAD + source)
    follower, scope = Follower(tmp_path), {"__name__": "__main__"}
    follower.start()
    try:
        exec(compile(script.read_text(), str(script), "exec"), scope)  # noqa: S102
    finally:
        follower.stop()
    batch, target, held = (np.asarray(scope[n]) if n in scope else None for n in ("batch", "target", "held"))
    assert batch is not None and target is not None
    found = firsts(follower, ProgramRecord(inputs=[batch], targets=[target]), held)
    assert found.get(what) == ((str(script), line) if line else None)


def test_a_fault_of_the_data_is_told_where_they_are_made(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(HEAD + NOISY + "z = annotate(target)\nloss = compare(net(batch), z)\n")
    line = {
        "made": (str(script), 5),
        "elsewhere": (str(script), 6),
        "loss": (str(script), 12),
        "read": (str(script), 11),
    }
    rows = np.ones((9, 2))
    held = HeldOutRecord(3, line["elsewhere"], rows[:, 0], frozenset(), inputs=rows)
    record = ProgramRecord(loss=LossRecord("mse_loss", line["loss"]), held_out=[held])

    def shown(cause: str, at: str, first: dict[str, tuple[str, int]]) -> int | None:
        finding = Finding(cause, "error", 1.0, "", "", "", *line[at])
        shown_where_made([finding], record, lambda held: first)
        return finding.line

    assert shown("noisy-labels", "read", {"labels": line["made"]}) == 5  # in what the line calls
    assert shown("noisy-labels", "read", {"labels": line["elsewhere"]}) == 11  # where others are handed over from
    assert shown("labels-out-of-range", "loss", {"labels": line["elsewhere"]}) == 11
    assert shown("labels-out-of-range", "loss", {}) == 12  # which makes them itself
    assert shown("train-val-leak", "elsewhere", {"split": line["read"]}) == 11
    assert shown("train-val-leak", "loss", {"split": line["read"]}) == 12  # which was told by another rule
    assert shown("labels-misaligned", "loss", {"order": line["made"]}) == 5
    found: list[Finding] = []
    for lost in (False, True):
        shown_where_made(found, record, lambda held: {"order": line["made"]}, lost)
        assert [(f.cause, f.line) for f in found] == [("labels-misaligned", 5)] * lost
    assert shown("lr-too-high", "loss", {"labels": line["made"]}) == 12


BY_HAND = """class Net(nn.Module):
    def __init__(self):
        self.a = nn.Linear(2, 8)
        self.b = nn.Linear(8, 1)

    def forward(self, x):
        return self.b(self.a(x))
"""


@pytest.mark.parametrize(
    ("source", "line"), [(BY_HAND, 7), (BY_HAND.replace("self.b(self.a(x))", "self.net(x)"), None)]
)
def test_layers_that_a_program_calls_itself(source: str, line: int | None, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(source)
    layers = [
        OpRecord(("linear", i), (str(script), 4 - i), (1,), [(2,)], {}, weight=f"w{i}", called=(str(script), 7))
        for i in range(2)
    ]
    assert called_by_hand(layers) == ((str(script), line) if line else None)
