"""Programs that move their parameters in a few passes only, keep what is no parameter, or add a penalty by hand."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from pellucid.doctor import Report, examination, examine_script, progress
from pellucid.doctor.conditions.causes.targets import _are_questions
from pellucid.doctor.probes.data import Batch, Keys, SeenData
from pellucid.doctor.probes.losses import Candidate
from pellucid.doctor.probes.passes import StudiedPass
from pellucid.doctor.probes.penalties import Penalties
from pellucid.doctor.process.clock import OutOfTime
from pellucid.doctor.process.crossings import crossing
from pellucid.doctor.process.scout import Scout, Seen, _note, moved_again
from pellucid.doctor.report import Finding
from pellucid.doctor.rules.exchanged import exchange
from pellucid.doctor.standing import disproved

PERCEPTRON = """
import random
random.seed(3)
data = []
for _ in range(60):
    a, b = random.uniform(-1, 1), random.uniform(-1, 1)
    data.append(([a, b], 1 if a + 0.6 * b > 0.1 else 0))
w = [random.uniform(-0.5, 0.5), random.uniform(-0.5, 0.5)]
bias = 0.0
for epoch in range(30):
    for x, target in data:
        s = w[0] * x[0] + w[1] * x[1] + bias
        err = target - (1 if s > 0 else 0)
        w[0] += 0.1 * err * x[0]
        w[1] += 0.1 * err * x[1]
        bias += 0.1 * err
"""

MARGIN = """
import numpy as np
rng = np.random.default_rng(5)
X = np.vstack([rng.normal(-1, 0.8, (50, 2)), rng.normal(1, 0.8, (50, 2))])
Y = np.array([-1] * 50 + [1] * 50)
w, b = np.zeros(2), 0.0
lr, lam = 0.01, 0.01
for epoch in range(40):
    for i in rng.permutation(len(X)):
        x, y = X[i], Y[i]
        if y * (np.dot(w, x) + b) < 1:
            w += lr * (y * x - 2 * lam * w)
            b += lr * y
        else:
            w -= lr * 2 * lam * w
"""


def examined(folder: Path, source: str) -> Report:
    script = folder / "train.py"
    script.write_text(source, encoding="utf-8")
    return examine_script(script)


@pytest.mark.slow
@pytest.mark.parametrize("source", [PERCEPTRON, MARGIN], ids=["perceptron", "margin"])
def test_a_right_rule_that_moves_seldom_is_healthy(source: str, tmp_path: Path) -> None:
    assert examined(tmp_path, source).status == "healthy"


SELDOM = """
import numpy as np
np.random.seed(SEED)
x = np.linspace(-3, 3, 400)
y = np.cos(x)
p = [np.random.randn() * 3 for _ in range(3)]
for step in range(2000):
    guess = p[0] + p[1] * x + p[2] * x ** 2
    loss = np.square(guess - y).sum()
    if step % 100 == 0:
        print(step, loss)
        d = 2 * (guess - y)
        p[0] -= 1e-5 * d.sum()
        p[1] -= 1e-5 * (d * x).sum()
        p[2] -= 1e-5 * (d * x ** 2).sum()
"""


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 3])
def test_updates_that_stand_under_a_message_are_told_wherever_the_training_begins(seed: int, tmp_path: Path) -> None:
    """From far off, twenty updates take away nearly all of the loss, and what is left is far more than that of a
    guess."""
    report = examined(tmp_path, SELDOM.replace("SEED", str(seed)))
    assert [(finding.cause, finding.line) for finding in report.findings][:1] == [("too-few-updates", 10)]


@pytest.mark.slow
def test_an_input_in_the_update_of_another_number_is_told(tmp_path: Path) -> None:
    source = PERCEPTRON.replace("w[0] += 0.1 * err * x[0]", "w[0] += 0.1 * err")
    report = examined(tmp_path, source.replace("bias += 0.1 * err", "bias += 0.1 * err * x[0]"))
    assert [finding.title for finding in report.findings] == ["wrong-backward: swapped-tensors"]
    assert report.findings[0].code == "w[0] += 0.1 * err"


@pytest.mark.slow
def test_tiny_first_weights_are_told_from_a_missing_activation(tmp_path: Path) -> None:
    report = examined(
        tmp_path,
        "import numpy as np\nrng = np.random.default_rng(7)\n"
        "x = np.linspace(-3, 3, 200)[:, None]\ny = np.sin(x) + 0.05 * rng.normal(size=x.shape)\n"
        "W1, b1 = rng.normal(size=(1, 20)) * 1e-4, np.zeros(20)\n"
        "W2, b2 = rng.normal(size=(20, 20)) * 1e-4, np.zeros(20)\n"
        "W3, b3 = rng.normal(size=(20, 1)) * 1e-4, np.zeros(1)\n"
        "for epoch in range(1500):\n"
        "    h1 = np.tanh(x @ W1 + b1)\n    h2 = np.tanh(h1 @ W2 + b2)\n    out = h2 @ W3 + b3\n"
        "    loss = np.mean((out - y) ** 2)\n    d3 = 2 * (out - y) / len(x)\n"
        "    d2 = d3 @ W3.T * (1 - h2 ** 2)\n    d1 = d2 @ W2.T * (1 - h1 ** 2)\n"
        "    for p, g in ((W3, h2.T @ d3), (b3, d3.sum(0)), (W2, h1.T @ d2), (b2, d2.sum(0)), (W1, x.T @ d1),\n"
        "                 (b1, d1.sum(0))):\n        p -= 0.05 * g\n",
    )
    assert [finding.cause for finding in report.findings] == ["init-too-small"]


def test_a_multiple_of_a_parameter_is_the_slope_of_its_penalty() -> None:
    w, table = np.array([0.5, -2.0, 1.0]), np.linspace(0.1, 0.9, 12)
    assert Penalties([w], []).has([0.02 * w])
    assert not Penalties([w], []).has([w])  # another name of it
    assert not Penalties([w], []).has([0.02 * w + 1e-6])
    known = Penalties([w, table], [0.5, 0.02])
    assert known.has([0.02 * table[3:4]])
    assert known.has([0.02 * table[3:6]])
    assert not known.has([0.03 * table[3:6]])


@pytest.mark.parametrize(
    ("outputs", "questions"),
    [(np.tile([0.6, 0.3, 0.2], (9, 1)), True), (np.tile([0.5, 0.3, 0.2], (9, 1)), False)],
    ids=["chances", "shares of one"],
)
def test_labels_of_several_questions_may_be_the_same_in_each_row(outputs: np.ndarray, questions: bool) -> None:
    labels = np.tile([1.0, 0.0, 0.0], (9, 1))
    data = SeenData(Keys(None, None, None), [Batch(np.arange(9.0)[:, None], labels, outputs)])
    assert _are_questions(data) is questions


@pytest.mark.parametrize(
    ("taken", "line"), [("dx, dg, db = back(dy)", 3), ("dx, db, dg = back(dy)", None)], ids=["crossed", "right"]
)
def test_gradients_that_change_places_are_told_where_they_are_returned(taken: str, line: int | None) -> None:
    place = crossing({"a.py": f"def back(dy):\n    db, dg = dy.sum(0), dy.max(0)\n    return dy, db, dg\n{taken}\n"})
    assert (place.line if place is not None else None) == line


def studied(given: list[list[float]], slopes: list[list[float]], loss: Candidate) -> list[StudiedPass]:
    each = np.eye(1)
    return [
        StudiedPass(
            i,
            directions={"w": each, "b": each},
            given={"w": np.array([g[0]]), "b": np.array([g[1]])},
            slopes={loss: {"w": np.array([s[0]]), "b": np.array([s[1]])}},
        )
        for i, (g, s) in enumerate(zip(given, slopes, strict=True))
    ]


def test_two_numbers_that_are_moved_by_each_others_slopes_are_exchanged() -> None:
    loss = Candidate("seen", ("", "loss"))
    slopes = [[0.5, 2.0], [-1.0, 4.0], [0.25, -1.5], [3.0, 0.75]]
    right, crossed = [[0.1 * w, 0.1 * b] for w, b in slopes], [[0.1 * b, 0.1 * w] for w, b in slopes]
    assert exchange(studied(right, slopes, loss), loss) is None
    assert exchange(studied([[w, 0.1 * b] for w, b in slopes], slopes, loss), loss) is None  # a factor of its own
    found = exchange(studied(crossed, slopes, loss), loss)
    assert found is not None
    assert found.taken == {("w", 0): ("b", 0), ("b", 0): ("w", 0)}
    assert found.rate == pytest.approx(0.1)


def test_rows_of_a_table_move_again_in_one_run_of_a_loop_and_units_do_not() -> None:
    seen = Seen()
    for row in (0, 1, 2):
        _note(seen, 1, {"W": np.arange(3) == row})
    _note(seen, 2, {"W": np.arange(3) == 0})
    assert moved_again(seen) == set()
    _note(seen, 2, {"W": np.arange(3) == 0})
    assert moved_again(seen) == {"W"}


@pytest.mark.parametrize(
    ("mistake", "better", "inconclusive"),
    [("unknown", 0.21, True), ("unknown", 0.05, False), ("sign", 0.21, False)],
    ids=["no better", "better", "named"],
)
def test_what_a_fork_disproves_and_nobody_names_is_no_verdict(mistake: str, better: float, inconclusive: bool) -> None:
    fork = {"as it is": [1.0, 0.4, 0.2], "with the right gradient": [1.0, 0.4, better]}
    finding = Finding("wrong-backward", "error", 0.9, "", "", "", mistake=mistake, verified=better < 0.1, fork=fork)
    assert disproved(finding) is inconclusive


@pytest.mark.parametrize(("cosine", "inconclusive"), [(1.0, True), (0.9, False)], ids=["rates", "directions"])
def test_rates_of_tensors_that_a_fork_does_no_better_without_are_no_verdict(cosine: float, inconclusive: bool) -> None:
    fork = {"as it is": [1.0, 0.4, 0.2], "with the right gradient": [1.0, 0.4, 0.21]}
    finding = Finding("wrong-backward", "error", 0.9, "", "", "", mistake="unknown", verified=False, fork=fork)
    finding.details = [{"mistake": "unknown", "tensor": "W", "confidence": 0.9}]
    finding.tensors = [{"name": "W", "verdict": "across", "cosine": cosine}, {"name": "V", "verdict": "right"}]
    assert disproved(finding) is inconclusive


def test_each_pass_of_a_loop_that_hardly_moves_is_looked_at() -> None:
    scout = Scout()
    assert scout._rests(Seen(count=37))
    assert not scout._rests(Seen(count=37, tested=1))
    assert not scout._rests(Seen(count=4000))


def test_a_finding_is_not_said_to_be_without_slopes_where_the_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def found(stages: Any) -> Any:
        stages.progress.wrong([Finding("wrong-backward", "error", 0.9, "", "", "")])
        raise OutOfTime

    def nothing(*_: Any) -> Any:
        raise OutOfTime

    monkeypatch.setattr(examination, "facts_of", lambda _: {})
    session = cast("Any", SimpleNamespace(returned=False, told=[]))
    reasons: list[str] = []
    for work in (found, nothing):
        monkeypatch.setattr(examination.Examination, "report", work)
        report = examination.examine(session, examination.Options(conditions=False))
        reasons.append(str(report.reason))
    assert reasons == [progress.MORE, progress.UNTOLD]
