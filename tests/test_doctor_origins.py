"""Where in the source data comes from, and which tensors are layers of weights."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from pellucid.cli.program import app
from pellucid.doctor import NoProgram, examine_script
from pellucid.doctor.conditions import learning, start
from pellucid.doctor.conditions.causes import updates
from pellucid.doctor.probes.data import Batch, Keys, SeenData
from pellucid.doctor.probes.losses import Candidate
from pellucid.doctor.probes.trials import Remedy, Trial, trial
from pellucid.doctor.process import culprits, origins, rates, settings
from pellucid.doctor.process.instrument import made_anew
from pellucid.doctor.process.lab import Lab
from pellucid.doctor.process.parameters import Parameters
from pellucid.doctor.process.paths import Scope, groups, leaves


@pytest.mark.parametrize(
    ("source", "name", "line"),
    [
        ("y = load()\ny = y + 1\norder = f(9)\nX, y = X[order], y[order]\n", "y", 2),
        ("xs, ys = [], []\nfor i in range(9):\n    ys.append(5.0)\n", "ys", 3),
        ("t = load() * 2\na, b, y_tr, y_te = train_test_split(X, t)\nyb = y_tr[0:9]\n", "yb", 1),
        (
            """rows = []
for i in f():
    rows.append([i, 2])
def fit(train):
    for row in train:
        step(row)
fit(scaled)
scaled = rows[0:9]
""",
            "row[-1]",
            3,
        ),
        ("data = load().data\nclass A:\n    def train(self, x):\n        return x\nA().train(data[0:5])\n", "x", 1),
        ("for x, t in zip(images, labels):\n    pass\nimages = f()\nlabels = g()\n", "t", 4),
        ("y = np.asarray(target).reshape(-1)\ntarget = f()\n", "y", 2),
        ("y = load()\ndef idle():\n    y = other()\nfit(y)\n", "y", 1),  # nothing calls it
    ],
)
def test_where_data_is_made(source: str, name: str, line: int) -> None:
    place = origins.made_at({"a.py": source}, name)
    assert place is not None and place.line == line


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("X = load().T\nmu = X.mean()\nX = X - mu\nX, y = X[order], y[order]\n", 3),
        ("X = load()\nX_train = X[:9]\n", None),
        ("def relu(X):\n    X = X * (X > 0)\n    return X\nX = load()\n", None),  # no line of the data's own
        ("def make_data():\n    X = 300 * rand()\n    return X\nX = make_data()\n", 2),
    ],
)
def test_where_inputs_are_scaled(source: str, line: int | None) -> None:
    place = origins.scaled_at({"a.py": source}, "X")
    assert (place.line if place else None) == line


@pytest.mark.parametrize(
    "source",
    [
        'p = {}\nfor l in f():\n    p["W" + str(l)] = rand()\ngrads["W1"] = A.T @ dZ\n',
        'def backward():\n    return {"W1": A.T @ dZ}\nx = 1\nparams["W1"] = rand()\n',
    ],
)
def test_a_gradient_of_the_same_key_is_no_first_value(source: str) -> None:
    place = origins.first_values({"a.py": source}, "params['W1']")
    assert place is not None and "rand" in source.splitlines()[place.line - 1]


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("class Dense:\n    pass\nnet = Net([Dense(2, 48), Dense(48, 3)])\n", 3),
        ("net.add(Dense(2, 48))\nnet.add(Dense(48, 3))\n", 2),
        ("net.add(Dense(2, 48, activation=f))\nnet.add(Dense(48, 3))\n", 1),
        ("for a, b in sizes:\n    layers.append(Dense(a, b))\n", None),
    ],
)
def test_where_layers_are_put_one_behind_the_other(source: str, line: int | None) -> None:
    place = culprits.stacked({"a.py": source}, "Dense")
    assert (place.line if place else None) == line


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("def act(z):\n    return 1 / (1 + np.exp(-z))\n", 2),
        ("def act(z):\n    return 1.0 / (1.0 + math.exp(-z))\n", 2),
        ("a = np.maximum(0, z)\nh = expit(z)\n", 2),
        ("a = np.maximum(0, z)\n", None),
    ],
)
def test_where_a_sigmoid_is_computed(source: str, line: int | None) -> None:
    place = culprits.squashing({"a.py": source})
    assert (place.line if place else None) == line


def test_a_vector_may_be_a_layer_of_weights() -> None:
    tensors = {
        "w_hidden": np.ones((4, 2)),
        "b_hidden": np.zeros(4),
        "w_out": np.full(4, 50.0),
        "gamma": np.ones(4),
        "history": np.ones(7),  # as long as no side
    }
    assert [*start.weights(tensors)] == ["w_hidden", "w_out"]
    assert start.symmetric(tensors) == ["w_hidden", "w_out"]
    assert start.sizes(tensors)["w_out"] > 4
    tensors["w_hidden"] = np.random.default_rng(0).normal(size=(4, 2))
    assert start.symmetric(tensors) == []  # a last layer may well begin at one value


@pytest.mark.parametrize(
    ("source", "name", "line"),
    [
        ("def init(n, m):\n    return np.random.randn(n, m) * 50\nW1 = init(2, 3)\n", "W1", 2),
        ("def init(n, m, s):\n    return s * np.random.randn(n, m)\nW1 = init(2, 3, s=9)\n", "W1", 3),
        ("def init(n):\n    a = rand(n)\n    b = np.zeros(n) - 9\n    return a, b\nW, b0 = init(2)\n", "b0", 3),
        (
            """def init(sizes):
    out = []
    for n in sizes:
        W = rand(n)
        b = np.zeros(n) - 10
        out.append([W, b])
    return out
net = init([3, 20])
""",
            "net[0][1]",
            5,
        ),
        ("W1 = load(2, 3)\n", "W1", 1),  # no function of the program's own
    ],
)
def test_first_values_are_made_within_a_function(source: str, name: str, line: int) -> None:
    place = origins.first_values({"a.py": source}, name)
    assert place is not None and place.line == line


def test_a_row_beside_a_matrix_is_its_bias() -> None:
    tensors = {"net[0][0]": np.eye(3, 20), "net[0][1]": np.full((1, 20), -9.0), "net[1][0]": np.eye(20, 1)}
    assert [*start.weights(tensors)] == ["net[0][0]", "net[1][0]"]


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("layers = [\n    Linear(2, 24), ReLU(),\n    Linear(24, 1), ReLU(),\n    Sigmoid(),\n]\n", 3),
        ("layers = [Linear(2, 24), ReLU(), Linear(24, 1), Sigmoid()]\n", None),
    ],
)
def test_a_rectifier_before_the_last_sigmoid(source: str, line: int | None) -> None:
    place = culprits.rectifier_before_last({"a.py": source})
    assert (place.line if place else None) == line


def test_arrays_of_several_shapes_in_one_list_are_tensors_of_their_own() -> None:
    net = [
        [np.eye(2, 3), np.zeros(3)],
        [np.eye(3, 1), np.zeros(1)],
        [np.eye(4), np.ones((4, 4))],
        [np.zeros(2) for _ in range(3)],
    ]
    found = groups(leaves(Scope(None, {"m": {"net": net}})))
    assert {name: group.shape for name, group in found.items()} == {
        "net[0][0]": (2, 3),
        "net[0][1]": (3,),
        "net[1][0]": (3, 1),
        "net[1][1]": (1,),
        "net[2][0]": (4, 4),  # a pair may be the mean of a gradient and that of its square
        "net[2][1]": (4, 4),
        "net[3][*]": (3, 2),
    }


# Epochs --------------------------------------------------------------------------------------------------------------


def test_the_loop_around_is_run_again() -> None:
    lab: Any = SimpleNamespace(repeats=3, turns=0)
    assert [Lab.around(lab) for _ in range(6)] == [True, True, False, True, True, False]


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("for rate in rates:\n    w = f()\n    for i in r:\n        w = w - g\n", {"w"}),
        ("for epoch in r:\n    w = train(w)\n", set()),
        ("w = f()\nfor epoch in r:\n    order = f()\n    for i in order:\n        w -= 1\n", {"order"}),
    ],
)
def test_what_a_loop_makes_anew(source: str, names: set[str]) -> None:
    line = next(i for i, text in enumerate(source.splitlines(), 1) if text.startswith("for"))
    assert made_anew(source, line) == names


def test_epochs_are_counted_by_rows_or_by_the_loop_around() -> None:
    rows = np.arange(8.0)[:, None]
    seen = SeenData(Keys(None, None, None), [Batch(inputs=rows[i % 4 : i % 4 + 1]) for i in range(12)])
    assert updates.repeated_after(seen) == 4
    assert updates.repeated_after(SeenData(Keys(None, None, None), seen.batches[:3])) is None
    case: Any = SimpleNamespace(data=seen, was=Trial(passes=400, turns=99))
    assert updates.epochs(case) == 100
    case.data = None
    assert updates.epochs(case) == 99
    case.was = Trial(passes=400)
    assert updates.epochs(case) == 400


def test_the_loss_of_a_training_that_stands_still_is_that_of_all_its_passes() -> None:
    losses = [1.0, 0.0] * 20 + [1.0, 1.0, 1.0, 0.0]
    still = Trial(at=[*range(44)], losses=losses, passes=44, still=True, burst=240)
    assert still.level == pytest.approx(np.mean(losses))
    assert Trial(at=still.at, losses=losses, passes=44, burst=240).level == pytest.approx(np.mean(losses[-11:]))


def test_where_a_loss_explodes_to_come_down_at_all_is_better() -> None:
    def levels(*values: float) -> Trial:
        return Trial(
            at=[*range(40 * len(values))], losses=[v for v in values for _ in range(40)], passes=40 * len(values)
        )

    frozen, exploded = levels(3.14), levels(3.14, float("inf"))
    assert learning.confirmed(frozen, exploded, levels(3.1, 2.9))
    assert not learning.confirmed(frozen, exploded, levels(3.14, 3.13))
    assert not learning.confirmed(frozen, levels(3.14, 3.0), levels(3.1, 2.9))


def test_a_trial_counts_the_turns_of_the_loop_around() -> None:
    lab: Any = SimpleNamespace(left=lambda: 100.0, groups={}, before={}, turns=7, repeats=1)
    work = trial(lab, Parameters({}, [], {}), Candidate("seen", ("", "loss")), {}, 3, 60.0, Remedy(epochs=20), burst=40)
    next(work)
    assert (lab.repeats, lab.turns) == (20, 0)
    lab.turns = 5
    outcome: Any = SimpleNamespace(before={}, after={}, seen={("", "loss"): [np.array(1.0)]})
    work.send(outcome)
    work.send(outcome)
    with pytest.raises(StopIteration) as end:
        work.send(outcome)
    assert end.value.value.turns == 5


def test_a_pass_that_has_nothing_to_do_has_no_loss() -> None:
    key = ("", "loss")
    lab: Any = SimpleNamespace(left=lambda: 100.0, groups={}, before={})
    work = trial(lab, Parameters({}, [], {}), Candidate("seen", key), {}, 60, 60.0, Remedy())
    next(work)
    outcomes: list[Any] = [
        SimpleNamespace(before={}, after={}, seen={key: [np.array(1.0)]} if i % 5 else {}) for i in range(60)
    ]
    for outcome in outcomes[:-1]:
        work.send(outcome)
    with pytest.raises(StopIteration) as end:
        work.send(outcomes[-1])
    done = end.value.value
    assert (done.passes, len(done.losses), done.level) == (60, 48, 1.0)
    assert len(done.curve()) == 1


# Settings ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ('parser.add_argument("--epochs", type=int)\nparser.add_argument("--lr", type=float, default=0.5)\n', 2),
        ('parser.add_argument("-l", "--learning-rate", default=0.5)\n', 1),
        ('config = {\n    "epochs": 20,\n    "lr": 0.5,\n}\n', 3),
    ],
)
def test_where_the_rate_of_a_program_with_options_is_written(source: str, line: int) -> None:
    place = rates.rate({"a.py": source}, [])
    assert place is not None and (place.line, place.value) == (line, 0.5)


def test_where_the_decay_and_the_epochs_of_a_program_with_options_are_written() -> None:
    decay = rates.decay({"a.py": 'parser.add_argument("--weight-decay", default=2.0)\n'})
    assert decay is not None and decay.value == 2.0
    source = 'config = {"lr": 0.1,\n          "epochs": 3}\nfor i in range(config["epochs"]):\n    step()\n'
    epochs = settings.count({"a.py": source}, "a.py", 3)
    assert epochs is not None and (epochs.line, epochs.value) == (2, 3.0)


@pytest.mark.parametrize("option", ["--json", "--html"])
def test_a_folder_that_is_not_there_is_said_before_the_examination(tmp_path: Path, option: str) -> None:
    script = tmp_path / "train.py"
    script.write_text("raise RuntimeError\n")  # what is not run
    result = CliRunner().invoke(app, ["doctor", str(script), option, str(tmp_path / "out" / "report")])
    assert result.exit_code == 2
    assert "There is no folder" in result.output
    assert "to write report to" in " ".join(result.output.split())


# As a newcomer types it ----------------------------------------------------------------------------------------------

LINE = """import sys
import numpy as np
import matplotlib
matplotlib.use("TkAgg")
import matplotlib.pyplot as plt
if len(sys.argv) > 1:
    sys.exit(2)
X = np.random.RandomState(0).randn(40, 2)
y = X @ np.array([1.0, 2.0])
w = np.zeros(2)
for i in range(200):
    e = X @ w - y
    loss = (e ** 2).mean()
    w -= 0.1 * X.T @ e / 40
    if i == 0:
        plt.switch_backend("TkAgg")
        plt.figure()
"""


def test_a_loss_that_is_not_there_is_said_so_and_no_window_is_opened(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(LINE)
    report = examine_script(script, loss="nope")
    assert report.status == "inconclusive"
    assert report.reason == (
        "No number called nope that depends on the parameters was seen in a pass. Those that do are loss."
    )


def test_what_wants_arguments_is_to_be_given_them(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(LINE.replace("> 1", "< 2"))
    report = examine_script(script)
    assert report.reason.endswith("Give it the arguments that it takes: pellucid doctor SCRIPT -- ARGS")


def test_a_folder_without_programs(tmp_path: Path) -> None:
    with pytest.raises(NoProgram, match="There is no Python file and no notebook in .*: name the script itself"):
        examine_script(tmp_path)


PENALTY = """import numpy as np

np.random.seed(0)
X = np.random.randn(300, 6)
y = (X @ np.array([2.0, -1.0, 0.5, 0.0, 1.0, -2.0]) > 0).astype(float)
REG_LAMBDA = 5.0
w = np.random.randn(6) * 0.01
b = 0.0
for step in range(600):
    p = 1 / (1 + np.exp(-(X @ w + b)))
    loss = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p)) + REG_LAMBDA / 2 * np.sum(w**2)
    w -= 0.1 * (X.T @ (p - y) / len(y) + REG_LAMBDA * w)
    b -= 0.1 * np.mean(p - y)
"""
UNITS_OFF = """import numpy as np

np.random.seed(10)
X = np.random.uniform(-1, 1, (200, 3))
Y = X[:, 0:1] ** 2 + X[:, 1:2]


def init(sizes):
    out = []
    for n, m in zip(sizes, sizes[1:]):
        W = np.random.randn(n, m) * np.sqrt(2.0 / n)
        b = np.zeros((1, m)) - 10
        out.append([W, b])
    out[-1][1][:] = 0
    return out


net = init([3, 20, 1])
for i in range(800):
    (W1, b1), (W2, b2) = net
    z = X @ W1 + b1
    h = z * (z > 0)
    mse = np.mean((h @ W2 + b2 - Y) ** 2)
    d = 2 * (h @ W2 + b2 - Y) / len(X)
    dz = d @ W2.T * (z > 0)
    net = [[W1 - 0.1 * X.T @ dz, b1 - 0.1 * dz.sum(0)], [W2 - 0.1 * h.T @ d, b2 - 0.1 * d.sum(0)]]
"""


STRAIGHT = """import numpy as np

np.random.seed(0)
X = np.random.uniform(-1, 1, (200, 2))
y = (X[:, 0] * X[:, 1] > 0).astype(float)
W = np.random.randn(2, 8) * 0.5
v = np.random.randn(8) * 0.5
for i in range(500):
    h = X @ W
    p = 1 / (1 + np.exp(-(h @ v)))
    loss = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))
    d = (p - y) / len(y)
    dW = X.T @ np.outer(d, v)
    v -= 0.5 * h.T @ d
    W -= 0.5 * dW
"""
FEW = """import random
import numpy as np

random.seed(0)
np.random.seed(0)
inputs = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
targets = np.array([0, 1, 1, 0])
w_hidden = np.random.uniform(-1, 1, (4, 2))
b_hidden = np.zeros(4)
w_out = np.random.uniform(-1, 1, 4)
b_out = 0.0
epochs = 100
for epoch in range(epochs):
    order = [0, 1, 2, 3]
    random.shuffle(order)
    for k in order:
        x, t = inputs[k], targets[k]
        h = 1 / (1 + np.exp(-(w_hidden @ x + b_hidden)))
        o = 1 / (1 + np.exp(-(w_out @ h + b_out)))
        loss = (t - o) ** 2
        d_o = (t - o) * o * (1 - o)
        d_h = d_o * w_out * h * (1 - h)
        w_out = w_out + 0.5 * d_o * h
        b_out = b_out + 0.5 * d_o
        w_hidden = w_hidden + 0.5 * np.outer(d_h, x)
        b_hidden = b_hidden + 0.5 * d_h
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "cause", "line"),
    [
        (STRAIGHT, "no-nonlinearity", "h = X @ W"),
        (FEW, "too-few-updates", "epochs = 100"),
        (PENALTY, "excessive-weight-decay", "REG_LAMBDA = 5.0"),
        (UNITS_OFF, "dead-units", "b = np.zeros((1, m)) - 10"),
    ],
    ids=["no activation", "epochs of four rows", "a penalty in the loss itself", "layers in lists"],
)
def test_programs_that_were_missed(tmp_path: Path, source: str, cause: str, line: str) -> None:
    script = tmp_path / "train.py"
    script.write_text(source)
    report = examine_script(script, budget=100.0)
    assert [(finding.cause, finding.code.strip()) for finding in report.findings] == [(cause, line)]
