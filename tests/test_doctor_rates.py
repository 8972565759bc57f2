"""Tensors that have a rate of their own, and losses that go first in every state of a program."""

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pellucid.doctor import examine_script
from pellucid.doctor.against import climbs
from pellucid.doctor.by_passes import of_all_passes, where_it_belongs
from pellucid.doctor.probes.losses import Candidate, candidates
from pellucid.doctor.probes.passes import SlopeStudy, StudiedPass
from pellucid.doctor.probes.recorded import Named
from pellucid.doctor.probes.slopes import _pruned
from pellucid.doctor.process.child import Lost
from pellucid.doctor.process.instrument import Loops
from pellucid.doctor.process.moving import Parameters
from pellucid.doctor.process.paths import Group, groups
from pellucid.doctor.rules.backward import findings
from pellucid.doctor.rules.cells import TensorCell
from pellucid.doctor.rules.gradient import Judgement, by, keeping
from pellucid.doctor.rules.own_rate import of_design

LOSS = Candidate("seen", ("", "loss"))
GROUPS = groups({(("global", ("m", name)),): np.ones(2) for name in ("w", "b")})


@pytest.mark.parametrize(
    ("factor", "source", "own"),
    [
        (0.1, "w -= lr * dw\nb -= 0.1 * lr * db\n", ["b"]),
        (0.1, "w -= lr * dw\nb -= lr * db / 10\n", ["b"]),
        (5.0, "lr_w, lr_b = 0.02, 0.1\nw -= lr_w * dw\nb -= lr_b * db\n", ["b"]),
        (5.0, "lr_w, lr_b = 0.02, 0.2\nw -= lr_w * dw\nb -= lr_b * db\n", []),
        (0.75, "w -= 0.04 * dw\nb -= 0.03 * db\n", ["b"]),
        (0.75, "w -= 0.03 * dw\nfor i in range(9):\n    w -= 0.04 * dw\n    b -= 0.03 * db\n", ["b"]),
        (0.5, "w -= lr * (2 / n) * dw\nb -= lr * (1 / n) * db\n", []),
        (2.0, "w -= 2 * lr * dw\nb -= 4 * lr * db\n", []),  # a factor of the derivative
        (0.1, "w -= lr * dw\nb -= lr * db\n", []),
        (-0.1, "w -= lr * dw\nb += 0.1 * lr * db\n", []),
    ],
)
def test_a_rate_of_its_own_is_no_mistake(factor: float, source: str, own: list[str]) -> None:
    row = Judgement(LOSS, 0.6, 0.1, [0.1], {"w": "right", "b": "factor"}, {"b": factor})
    loops = Loops()
    loops.compile(source, "a.py")
    assert of_design(row, {"a.py": source}, GROUPS, loops.loops.get(0)) == own
    across = replace(row, verdicts={"w": "right", "b": "across"})
    assert of_design(across, {"a.py": source}, GROUPS) == []


@pytest.mark.parametrize(
    ("factor", "verdict", "mistake"),
    [(-1.0, "sign", "sign"), (-0.75, "sign", "sign"), (-30.0, "sign", "sign"), (0.75, "factor", "constant-factor")],
)
def test_a_tensor_with_a_rate_of_its_own_that_goes_up_has_the_wrong_sign(
    factor: float, verdict: str, mistake: str
) -> None:
    slopes = {"w": np.array([1.0, -2.0, 0.5]), "v": np.array([0.3, 1.0, 2.0]), "b": np.array([0.7, -0.4, 1.5])}
    given = {name: 0.1 * s * (factor if name == "b" else 1.0) for name, s in slopes.items()}
    entries = [
        StudiedPass(
            i,
            directions={name: np.eye(3) for name in slopes},
            given=given,
            gradient=given,
            slopes={LOSS: slopes},
            losses={LOSS: 1.0},
            update={name: -g for name, g in given.items()},
            values=slopes,
        )
        for i in range(3)
    ]
    found = by(entries, LOSS)
    assert found is not None
    assert (found.verdicts["b"], found.verdicts["w"]) == (verdict, "right")
    (told,) = findings(found, SlopeStudy(entries, [LOSS]), Parameters({}, [], {}), {30})
    assert told.mistake == mistake
    assert ("0.75 times" in told.explanation) is (factor == -0.75 or factor == 0.75)
    named = Named("b", "constant-factor", 0.9, "", "", None, None)
    assert of_all_passes(named, found).mistake == mistake


@pytest.mark.parametrize("few", [False, True])
@pytest.mark.parametrize(
    ("beside", "verdict"), [("weights", "right"), ("signs", "right"), ("shifted", "across"), ("against", "across")]
)
def test_weights_that_decay_beside_their_slope_follow_it(beside: str, verdict: str, few: bool) -> None:
    """By a share of themselves, or of their signs; of few directions the passes tell it together."""
    rng, entries = np.random.default_rng(0), []
    for i in range(6):
        values, slope, bias = rng.normal(size=9), rng.normal(size=9), rng.normal(size=4)
        kinds = {"weights": values, "signs": np.sign(values), "shifted": np.roll(np.sign(values), 1)}
        gradient = 0.5 * slope + 0.05 * kinds.get(beside, -np.sign(values))
        directions = rng.choice([-1.0, 1.0], (2, 9)) if few else np.eye(9)
        entries.append(
            StudiedPass(
                i,
                directions={"w": directions, "b": np.eye(4)},
                given={"w": directions @ gradient, "b": 0.5 * bias},
                gradient={"w": gradient, "b": 0.5 * bias},
                slopes={LOSS: {"w": directions @ slope, "b": bias}},
                losses={LOSS: 1.0},
                update={"w": -gradient, "b": -0.5 * bias},
                values={"w": values, "b": bias},
            )
        )
    found = by(entries, LOSS)
    assert found is not None and found.verdicts == {"w": verdict, "b": "right"}


@pytest.mark.parametrize("alike", [True, False])
def test_of_losses_with_one_slope_the_first_is_kept(alike: bool) -> None:
    hinge, squared = (Candidate(kind, ("", "o"), ("", "y")) for kind in ("hinge", "squared"))
    slopes = np.array([1.0, -2.0])
    other = slopes if alike else np.array([1.0, 2.0])
    entries = [
        StudiedPass(
            0,
            directions={"w": np.eye(2)},
            given={"w": 0.1 * slopes},
            gradient={"w": 0.1 * slopes},
            slopes={squared: {"w": slopes}, hinge: {"w": other}},
            losses={squared: 1.0, hinge: 1.0},
            update={"w": -0.1 * slopes},
            values={"w": np.ones(2)},
        )
    ] * 3
    study = SlopeStudy(entries, [squared, hinge])
    first, then = Judgement(hinge, 0.6, 0.1, [0.1], {"w": "right"}), by(entries, squared)
    kept = keeping(first, then, study)
    assert kept is not None
    assert kept.candidate == (hinge if alike else squared)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_number_below_zero_may_be_a_likelihood_that_is_to_rise(sign: float) -> None:
    seen, moved = ({("", "cost"): [np.array([sign * value])]} for value in (3.0, 2.5))
    found = candidates(seen, moved)
    assert [c.title for c in found] == ["cost"] + ["minus cost"] * (sign < 0)
    assert [c.value(seen) for c in found] == [3.0 * sign] + [3.0] * (sign < 0)


def test_an_output_and_a_label_are_those_of_the_same_turns() -> None:
    """While a loop over a replayed batch has one turn, the last target of a function is that of each turn."""
    seen, moved = (
        {
            ("update", "target"): [np.array(1.5)],
            ("loop 2", "target"): [np.array(1.5)],
            ("update, inline", "q[a]"): [np.array(value)],
        }
        for value in (0.3, 0.2)
    )
    found = candidates(seen, moved, subtracted={("q[a]", "target")})
    squared = next(c for c in found if c.kind == "squared")
    assert (squared.output, squared.label) == (("update, inline", "q[a]"), ("loop 2", "target"))


def test_of_single_numbers_the_loss_that_explains_all_at_one_rate_is_kept() -> None:
    """Any slope is along the step of one number: of three, that of the loss alone is at one rate."""
    step = {"a": np.array([0.2]), "b": np.array([-0.5]), "c": np.array([1.0])}
    others = [Candidate("seen", ("", f"z{i}")) for i in range(40)]
    entry = StudiedPass(0, directions=dict.fromkeys(step, np.eye(1)), given=step, update=step)
    rng = np.random.default_rng(0)
    entry.slopes = {c: {name: rng.normal(size=1) for name in step} for c in others}
    entry.slopes[LOSS] = {name: 3.0 * value for name, value in step.items()}
    assert LOSS in _pruned([*others, LOSS], entry, 24, {})


@pytest.mark.slow
def test_a_label_that_is_only_compared_is_one(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(
        "import numpy as np\nrng = np.random.default_rng(4)\nx = rng.normal(size=(30, 2))\n"
        "table = np.column_stack([x, x[:, 0] - 0.7 * x[:, 1] > 0.1])\nb0 = b1 = b2 = 0.1\n"
        "for epoch in range(300):\n    g0 = g1 = g2 = 0\n    for i in range(len(table)):\n"
        "        z = b0 + b1 * table[i, 0] + b2 * table[i, 1]\n        s = 1 / (1 + np.exp(-z))\n"
        "        if table[i, 2] == 1:\n            d = 1 - s\n"
        "            g0, g1, g2 = g0 + d, g1 + d * table[i, 0], g2 + d * table[i, 1]\n"
        "        else:\n            g0, g1, g2 = g0 - s, g1 - s * table[i, 0], g2 - s * table[i, 1]\n"
        "    b0, b1, b2 = b0 + 0.1 * g0, b1 + 0.1 * g1, b2 + 0.1 * g2\n"
    )
    assert examine_script(tmp_path / "train.py").status == "healthy"


@pytest.mark.parametrize("residual", [True, False])
def test_a_difference_that_is_called_an_error_is_no_loss(residual: bool) -> None:
    seen, moved = ({("", "err"): [np.array([value])]} for value in (0.3, 0.2))
    assert bool(candidates(seen, moved, residuals={"err"} if residual else ())) is not residual


def test_a_factor_that_one_pass_shows_is_no_constant() -> None:
    row = Judgement(LOSS, 0.5, 0.2, [0.2], {"w": "across"}, cells={"w": [TensorCell("along", r) for r in (0.05, 0.04)]})
    said = of_all_passes(Named("w", "constant-factor", 0.9, "", "", None, None), row)
    assert said.mistake == "unknown"
    assert "0.2 to 0.25 times" in said.text
    steady = replace(row, verdicts={"w": "factor"})
    assert of_all_passes(said, steady) is said


def test_of_a_failure_in_a_fork_its_last_line_is_said() -> None:
    assert Lost('  File "lab.py", line 160\n    work()\nValueError: no\n').said == "ValueError: no"
    assert Lost("its time was up").said == "its time was up"


def test_parts_of_a_loss_that_are_never_added_up() -> None:
    seen, moved = (
        {("step", "rec"): [np.array(a)], ("step", "kl"): [np.array(b)], ("step", "lr"): [np.array(0.1)]}
        for a, b in ((3.0, 0.5), (2.5, 0.7))
    )
    found = next(c for c in candidates(seen, moved) if c.plus)
    assert (found.title, found.value(seen), found.value(moved)) == ("kl + rec", 3.5, 3.2)


@pytest.mark.parametrize(("way", "expected"), [(-1.0, True), (1.0, False)])
def test_updates_that_go_up_the_loss_of_the_program(way: float, expected: bool) -> None:
    slopes = np.array([1.0, -2.0])
    entry = StudiedPass(0, given={"w": way * slopes}, slopes={LOSS: {"w": slopes}})
    assert climbs([entry] * 3, LOSS) is expected
    assert not climbs([entry] * 2, LOSS)


PAIRS = """
import numpy as np
rng = np.random.default_rng(2)
U, V = rng.normal(size=(30, 6)) / 3, rng.normal(size=(30, 6)) / 3
def step(i, pos, neg):
    js = np.concatenate([[pos], neg])
    t = {labels}
    q = 1 / (1 + np.exp(-V[js] @ U[i]))
    loss = -np.log(q[0] + 1e-9) - np.log(1 - q[1:] + 1e-9).sum()
    d = q - t
    g = d @ V[js]
    np.add.at(V, js, -0.1 * d[:, None] * U[i])
    U[i] -= 0.1 * g
    return loss
for n in range(12000):
    i = rng.integers(30)
    print(step(i, (i + 1) % 30, rng.choice(30, 4, replace=False)))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("labels", "mistake"), [("np.ones(5)", "wrong-loss"), ("np.array([1.0, 0, 0, 0, 0])", None)], ids=["wrong", "right"]
)
def test_labels_that_do_not_go_with_the_loss_that_is_printed(labels: str, mistake: str | None, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(PAIRS.format(labels=labels), encoding="utf-8")
    report = examine_script(script)
    assert [f.mistake for f in report.findings] == ([mistake] if mistake else [])
    assert all(f.code == "d = q - t" for f in report.findings)


@pytest.mark.parametrize(
    ("shares", "mistake"), [((0.25, 0.21, 0.16), "missing-activation-derivative"), ((0.3, 0.2, 0.1), "unknown")]
)
def test_a_factor_that_is_the_derivative_of_the_output(shares: tuple[float, ...], mistake: str) -> None:
    """Squared errors in some gradients, and the log loss in others: o * (1 - o) tells them apart from pass to pass."""
    loss = Candidate("log", ("", "o"), ("", "y"))
    cells = {"w": [TensorCell("along", 0.2 * share) for share in shares]}
    row = Judgement(loss, 0.5, 0.2, [0.2] * 3, {"w": "across"}, cells=cells)
    passes: Any = [SimpleNamespace(losses={loss: -math.log(o)}) for o in (0.5, 0.3, 0.2)]
    said = of_all_passes(Named("w", "constant-factor", 0.9, "", "", None, None), row, passes)
    assert said.mistake == mistake
    row.verdicts["v"] = "right"
    weights: Any = {name: Group(name, ((("global", ("a", name)),),), (1,), (1,)) for name in "wv"}
    source = "dv = (o - y) * h\ndw = (o - y) * o * (1 - o) * v * x\nw -= dw\nv -= dv\n"
    belongs = where_it_belongs(said, row, {"a.py": source}, weights)
    assert belongs.backward == (("a.py", 1) if mistake != "unknown" else None)
    assert where_it_belongs(said, row, {"a.py": f"{source}print(np.log(o))\n"}, weights) is said
