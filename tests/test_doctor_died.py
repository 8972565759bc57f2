"""Units that a training switches off, for all rows or for rows that it should tell apart, and one output for all."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from pellucid.doctor import examine_script
from pellucid.doctor.conditions import _is_of_labels
from pellucid.doctor.conditions.case import Case
from pellucid.doctor.conditions.causes.died import alike
from pellucid.doctor.conditions.causes.mixed import one_for_all
from pellucid.doctor.conditions.causes.silent import off
from pellucid.doctor.probes.data import Batch, Keys, rows_of
from pellucid.doctor.probes.losses import Candidate, Seen, candidates
from pellucid.doctor.process.no_labels import no_labels
from pellucid.doctor.process.paths import is_leaf
from pellucid.doctor.proof import rests_aloft
from pellucid.doctor.report import Finding
from pellucid.doctor.rules.gradient import Judgement

RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 2))


@pytest.mark.parametrize(
    ("inputs", "labels", "outputs", "rows"),
    [
        (X, [0, 1, 0, 1, 0, 1], [0.3, 0.3, 0.9, 0.3, 0.3, 0.2], [0, 1, 3, 4]),
        (X, [0, 0, 1, 0, 0, 1], [0.3, 0.3, 0.9, 0.3, 0.3, 0.2], []),  # of one class
        (np.ones((6, 2)), [0, 1, 0, 1, 0, 1], [0.3] * 6, []),  # nothing tells them apart
        (X, [0, 1, 0, 1, 0, 1], [np.nan] * 6, []),
    ],
)
def test_rows_that_are_not_told_apart(
    inputs: np.ndarray, labels: list[float], outputs: list[float], rows: list[int]
) -> None:
    columns = (np.array(values, dtype=float)[:, None] for values in (labels, outputs))
    assert alike(Batch(inputs, *columns)) == rows


def test_all_rows_that_several_passes_see_stay_rows() -> None:
    keys = Keys(("", "X"), ("", "y"), ("", "p"))
    y = np.array([[0.0], [1.0]] * 3)
    batch = rows_of({("", "X"): [X] * 6, ("", "y"): [y] * 6, ("", "p"): [y] * 6}, keys)
    assert batch.inputs is not None and batch.inputs.shape == (36, 2)


@pytest.mark.parametrize(
    ("first", "last", "labels", "found"),
    [
        (abs(RNG.normal(size=5)), np.zeros(5), np.arange(5.0), "out"),
        (abs(RNG.normal(size=5)), np.array([0.0, 0, 0, 0, 0.1]), np.arange(5.0), None),
        (np.zeros(5), np.zeros(5), np.arange(5.0), None),  # it began so
        (abs(RNG.normal(size=5)), np.zeros(5), np.array([0.0, 0, 0, 0, 1]), None),  # which is hardly wrong
    ],
)
def test_an_output_that_is_zero_for_every_row(
    first: np.ndarray, last: np.ndarray, labels: np.ndarray, found: str | None
) -> None:
    begun, ended = ({("", "out"): [value], ("", "t"): [labels]} for value in (first, last))
    assert off(begun, ended, {("out", "t"), ("t", "out")}) == found


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("n, d = X.shape\nm = len(X)\nbatch = X.shape[0]", {"n", "d", "m", "batch"}),
        ("a1 = relu(z1)\nz2 = a1 @ W2\na2 = relu(z2)", {"a1", "z2", "a2"}),
        ("target = np.ones_like(z1)\ny = (z1 > 0) * 1\nt = np.zeros(z1.shape)", set()),
        ("n = X.shape[1]\nT = np.zeros((2, n))\nT[L, np.arange(n)] = 1", {"n"}),  # labels of as many rows
        (
            "D, H, T = 1, 8, 10\nW = np.random.randn(H, D)\nb = np.zeros((H, 1))\nfor t in range(T):\n    pass",
            {"D", "H", "T", "t"},
        ),
        ("y = 1\nx = np.random.randn(4)", set()),  # the label of a single sample
        ("y = labels[i]\nfor k in range(9):\n    y = relu(z1)", {"k"}),
        ("def loss(y):\n    return y\nloss(h)\ny = relu(z1)", set()),
        ("q = r + g * best\nfor t, y in rows:\n    pass", set()),
        ("for t in reversed(range(n)):\n    pass\nfor t, (s, a) in enumerate(rows):\n    pass", {"t"}),
        ("for digit, images in enumerate(folders):\n    pass", set()),  # which is what the images show
        (
            "def f(x, i, n):\n    return i / n\nn = 9\nfor i in range(n):\n    f(x, i, n)",
            {"i", "n"},
        ),
        ("def g(x, y):\n    return x - y\nfor i in range(9):\n    g(x, i)", {"i"}),
        ("for k in range(3):\n    y[rows] = k\n    truth = k", {"k"}),
        ("def f(i):\n    return i\ni = f(rows)\nf(i)", set()),
    ],
)
def test_what_is_no_label_by_how_it_is_made(source: str, names: set[str]) -> None:
    assert no_labels({"train.py": source}, {"z1", "W1", "W2"}) == names


def test_a_share_of_the_passes_is_no_label() -> None:
    share = ("f<inline>", "i / n (line 3)")
    seen: Seen = {("", "p"): [X], share: [np.ones((6, 2))]}
    moved: Seen = {("", "p"): [X + 0.1], share: [np.ones((6, 2))]}
    assert any(c.label == share for c in candidates(seen, moved))
    assert not candidates(seen, moved, no_labels={"i", "n"})


@pytest.mark.parametrize(
    ("candidate", "guessed"),
    [
        (Candidate("squared", ("", "p"), ("", "k")), True),
        (Candidate("squared", ("", "p"), ("", "k"), subtracted=True), False),
        (Candidate("squared", ("", "p"), ("", "target")), False),
        (Candidate("seen", ("", "loss")), False),
    ],
)
def test_labels_that_a_loss_alone_speaks_for(candidate: Candidate, guessed: bool) -> None:
    case = cast(Case, SimpleNamespace(candidate=candidate))
    assert Case.labels_are_guessed.fget(case) is guessed  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("cause", "verified", "left"),
    [
        ("class-imbalance", True, True),
        ("labels-misaligned", False, True),
        ("labels-misaligned", True, False),
        ("dead-units", False, False),
    ],
)
def test_what_is_nothing_without_labels(cause: str, verified: bool, left: bool) -> None:
    assert _is_of_labels(Finding(cause, "error", 0.9, "", "", "", verified=verified)) is left


@pytest.mark.parametrize(
    ("verified", "subtracted", "held"), [(False, False, False), (False, True, True), (True, False, True)]
)
def test_what_climbs_a_loss_of_values_that_are_never_compared(verified: bool, subtracted: bool, held: bool) -> None:
    candidate = Candidate("squared", ("", "p"), ("", "k"), subtracted=subtracted)
    finding = Finding("loss-sign-flipped", "error", 0.9, "", "", "", verified=verified)
    assert rests_aloft(finding, cast(Judgement, SimpleNamespace(candidate=candidate))) is not held


def test_labels_of_ten_thousand_rows_may_be_a_list() -> None:
    assert is_leaf([0, 1] * 5_000) and not is_leaf([0, 1] * 50_000) and not is_leaf([0, "a"] * 10)


def test_a_dead_layer_is_no_label_of_the_one_before_it() -> None:
    seen: Seen = {("", "s1"): [X], ("", "y1"): [np.zeros((6, 2))]}
    moved: Seen = {("", "s1"): [X + 0.1], ("", "y1"): [np.zeros((6, 2))]}
    assert any(c.label == ("", "y1") for c in candidates(seen, moved))
    assert not candidates(seen, moved, no_labels={"y1"})


HEAD = "import numpy as np\n\nnp.random.seed({seed})\n"
CORNERS = HEAD + (
    "points = np.random.randn(4, 2)\nwanted = np.array([[0], [1], [0], [1]])\n"
    "A = np.random.randn(2, {units}) * {scale}\nc = np.zeros((1, {units}))\n"
    "B = np.random.randn({units}, 1) * {scale}\nd = np.zeros((1, 1))\n"
    "for step in range(1500):\n"
    "    h = np.maximum(0, points @ A + c)\n"
    "    out = 1 / (1 + np.exp(-(h @ B + d)))\n"
    "    cost = -np.mean(wanted * np.log(out + 1e-8) + (1 - wanted) * np.log(1 - out + 1e-8))\n"
    "    delta = (out - wanted) / 4\n"
    "    back = delta @ B.T * (h > 0)\n"
    "    B -= 0.1 * h.T @ delta\n"
    "    d -= 0.1 * delta.sum(0, keepdims=True)\n"
    "    A -= 0.1 * points.T @ back\n"
    "    c -= 0.1 * back.sum(0, keepdims=True)\n"
)


@pytest.mark.slow
@pytest.mark.parametrize(("units", "scale", "cause"), [(2, 0.5, ["dead-units"]), (12, 0.5, [])])
def test_rows_for_which_every_unit_is_off(units: int, scale: float, cause: list[str], tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(CORNERS.format(seed=2, units=units, scale=scale))
    report = examine_script(script, budget=200.0)
    assert [finding.cause for finding in report.findings] == cause, report.to_json()
    assert not cause or report.findings[0].line == 6


SERIES = HEAD + (
    "x = np.array([[2.2, 3.2, 1.8], [3.2, 1.8, 4.8], [1.8, 4.8, 0.5], [4.8, 0.5, 4.2], [0.5, 4.2, 1.7],\n"
    "              [4.2, 1.7, 4.7], [1.7, 4.7, 0.1], [4.7, 0.1, 5.7]])\n"
    "y = np.array([4.8, 0.5, 4.2, 1.7, 4.7, 0.1, 5.7, 0.5])\n"
    "w1 = np.random.uniform(0, 1, (4, 3))\nw2 = np.random.uniform(0, 1, 4)\n"
    "for epoch in range(3000):\n"
    "    s1 = w1 @ x.T\n"
    "    y1 = np.maximum(0, s1)\n"
    "    s2 = w2 @ y1\n"
    "    y2 = np.maximum(0, s2)\n"
    "    g2 = (y2 - y) @ y1.T\n"
    "    g1 = w2[:, None] * (y2 - y)[None] @ x\n"
    "    w2 = w2 - {rate} * g2\n"
    "    w1 = w1 - {rate} * g1\n"
)


@pytest.mark.slow
def test_an_output_that_the_first_steps_switch_off(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(SERIES.format(seed=0, rate=0.02))
    report = examine_script(script, budget=200.0)
    assert [(f.cause, f.line) for f in report.findings] == [("dead-units", 11)], report.to_json()


@pytest.mark.parametrize(
    ("names", "labels", "outputs", "found"),
    [
        (("h", "labels"), [0, 1, 0, 1, 1, 0], (0.3, 0.4), ("h", "labels", 6)),
        (("h", "labels"), [0, 1, 0, 1, 1, 0], (0.3, 0.3), None),  # which depends on nothing: a mean
        (("h", "labels"), [1, 1, 1, 1, 1, 1], (0.3, 0.4), None),
        (("h", "labels"), [0, 1, 0, 1, 1], (0.3, 0.4), None),  # as many as there are no rows of
        (("h", "scores"), [0, 1, 0, 1, 1, 0], (0.3, 0.4), None),
        (("b", "labels"), [0, 1, 0, 1, 1, 0], (0.3, 0.4), None),  # a parameter
    ],
)
def test_one_number_that_is_subtracted_from_the_labels_of_all_rows(
    names: tuple[str, str], labels: list[float], outputs: tuple[float, float], found: tuple[str, str, int] | None
) -> None:
    passes = [
        {("", names[0]): [np.array(o)], ("", names[1]): [np.array(labels, dtype=float)], ("", "X"): [X]}
        for o in outputs
    ]
    assert one_for_all(passes[0], passes[1], {(names[1], names[0]), names}, {"b", "w"}) == found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("output", "status"),
    [("1 / (1 + math.exp(-(points @ w).sum()))", "faults"), ("1 / (1 + np.exp(-(points @ w)))", "healthy")],
)
def test_a_sigmoid_of_the_sum_over_all_rows(output: str, status: str, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(
        "import math\nimport numpy as np\n\nnp.random.seed(3)\npoints = np.random.randn(60, 3)\n"
        "labels = (points @ np.array([1.0, -2.0, 0.5]) > 0.2).astype(float)\nw = np.ones(3)\n"
        f"for cycle in range(200):\n    h = {output}\n    error = labels - h\n    w = w + 0.01 * points.T @ error\n"
    )
    report = examine_script(script, budget=200.0)
    assert report.status == status, report.to_json()
    assert status == "healthy" or [(f.cause, f.line) for f in report.findings] == [("samples-mixed", 9)]
