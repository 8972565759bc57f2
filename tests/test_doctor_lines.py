"""The line of a recorded backward pass that goes wrong."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pellucid.check.autopsy.hypothesis import TapeCase
from pellucid.check.autopsy.losses import losses
from pellucid.check.record.recording import recording
from pellucid.check.record.reverse import backward
from pellucid.doctor.probes.derivatives import wrong_functions
from pellucid.doctor.probes.lines import chain, first_wrong, of_factors, place
from pellucid.doctor.probes.operators import mistyped
from pellucid.doctor.probes.substitute import MULTIPLY, exchanged, turned
from pellucid.doctor.probes.vanished import vanished

PROGRAM = """import numpy as np

def derivative(a):
    square = a * a
    return 1 - square

h = np.tanh(x @ w1 + b1)
out = h @ w2 + b2
loss = ((out - y) ** 2).sum()
d = 2 * (out - y)
dw2 = h.T @ d
db2 = d.sum()
dh = (d @ w2.T) * derivative(h)
dw1 = x.T @ dh
db1 = dh.sum(0)
new_w2 = w2 - 0.1 * dw2
new_b2 = b2 - 0.1 * db2
new_w1 = w1 - 0.1 * dw1
new_b1 = b1 - 0.1 * db1
"""
NAMES = ("w1", "b1", "w2", "b2")


def recorded(source: str, tmp_path: Path) -> tuple[Any, dict[str, np.ndarray], dict[str, np.ndarray], str]:
    """The tape of a program, what it gives as gradients times the rate, and its parameters afterwards."""
    path = tmp_path / "train.py"
    path.write_text(source)
    rng = np.random.default_rng(0)
    values = {"w1": (3, 4), "b1": (4,), "w2": (4, 1), "b2": ()}
    space: dict[str, Any] = {"x": rng.normal(size=(6, 3)), "y": rng.normal(size=(6, 1))}
    old = {name: np.array(rng.normal(size=shape)) for name, shape in values.items()}
    with recording() as recorder:
        space |= {name: recorder.parameter(name, value) for name, value in old.items()}
        exec(compile(source, str(path), "exec"), space)  # noqa: S102
        recorder.tape.result = recorder.node(space["loss"])
        moved = {name: np.asarray(recorder.node(space[f"new_{name}"]).value, dtype=float) for name in NAMES}
    given = {name: old[name] - moved[name] for name in NAMES}
    return recorder.tape, given, moved, str(path)


@pytest.mark.parametrize(
    ("right", "wrong", "factors", "agreed"),
    [
        ("db2 = d.sum()", "db2 = d.sum() * len(x)", {"b2": 6.0}, ("w1", "b1", "w2")),
        ("db2 = d.sum()", "db2 = d.mean()", {"b2": 1 / 6}, ("w1", "b1", "w2")),
        ("d = 2 * (out - y)", "d = 2 * (y - out)", dict.fromkeys(NAMES, -1.0), ()),
        ("d = 2 * (out - y)", "d = 2 * (out - y) / -3", dict.fromkeys(NAMES, -1.0), ()),
        ("dw2 = h.T @ d", "dw2 = h.T @ d * 3", {"w2": 3.0}, ("w1", "b1", "b2")),
        ("db1 = dh.sum(0)", "db1 = -dh.sum(0)", {"b1": -1.0}, ("w1", "w2", "b2")),
        ("return 1 - square", "return square - 1", dict.fromkeys(("w1", "b1"), -1.0), ("w2", "b2")),
        ("new_w1 = w1 - 0.1 * dw1", "new_w1 = w1 + 0.1 * dw1", {"w1": -1.0}, ("b1", "w2", "b2")),
    ],
)
def test_a_factor_has_its_line(
    right: str, wrong: str, factors: dict[str, float], agreed: tuple[str, ...], tmp_path: Path
) -> None:
    tape, given, moved, file = recorded(PROGRAM.replace(right, wrong), tmp_path)
    line = PROGRAM[: PROGRAM.index(right)].count("\n") + 1
    assert set(of_factors(tape, factors, agreed, given, moved, {file: ""}).values()) == {(file, line)}


def test_a_function_that_hands_several_gradients_back_has_the_line_of_the_factor(tmp_path: Path) -> None:
    called = PROGRAM.replace(
        "h = np.tanh", "def back(d, h):\n    db = d.sum() / 6\n    return h.T @ d, db\n\nh = np.tanh"
    )
    called = called.replace("dw2 = h.T @ d\n", "dw2, db2 = back(d, h)\n").replace("db2 = d.sum()\n", "")
    tape, given, moved, file = recorded(called, tmp_path)
    line = called[: called.index("db = d.sum() / 6")].count("\n") + 1
    assert of_factors(tape, {"b2": 1 / 6}, ("w1", "b1", "w2"), given, moved, {file: called}) == {"b2": (file, line)}


def test_a_division_that_is_left_out_has_the_line_that_is_like_the_others(tmp_path: Path) -> None:
    """Of an update that divides by the rows, or of a velocity that does."""
    divided = PROGRAM
    for name in NAMES:
        divided = divided.replace(f"0.1 * d{name}", f"0.1 * d{name} / 6")
    line = divided[: divided.index("new_b1")].count("\n") + 1
    factors = {"b1": 6.0}
    tape, given, moved, file = recorded(divided.replace("0.1 * db1 / 6", "0.1 * db1"), tmp_path)
    assert of_factors(tape, factors, ("w1", "w2", "b2"), given, moved, {file: ""}) == {"b1": (file, line)}
    summed = divided.replace("dw1 = x.T @ dh", "dw1 = x.T @ dh / 6").replace("0.1 * dw1 / 6", "0.1 * dw1")
    tape, given, moved, file = recorded(summed.replace("0.1 * db1 / 6", "0.1 * db1"), tmp_path)
    assert of_factors(tape, factors, ("w1",), given, moved, {file: ""}) == {"b1": (file, line - 4)}


@pytest.mark.parametrize("back", ["d @ w2.T", "w2 @ d.T"])  # as it is, or turned over
def test_a_derivative_that_multiplies_another_value_than_the_gradient(back: str, tmp_path: Path) -> None:
    wrong = PROGRAM.replace("dh = (d @ w2.T) * derivative(h)", f"back = {back}\ndh = derivative(h) * h")
    tape, given, moved, file = recorded(wrong, tmp_path)
    found = exchanged(tape, ["w1", "b1"], given, moved, MULTIPLY)
    assert found is not None and found.said({file: wrong})[1] == "take back for h"
    assert place(found.site, {file: ""}) == (file, wrong[: wrong.index("dh =")].count("\n") + 1)
    right = PROGRAM.replace("db2 = d.sum()", "db2 = d.mean()")
    tape, given, moved, _ = recorded(right, tmp_path)
    assert exchanged(tape, ["b2"], given, moved, MULTIPLY) is None


@pytest.mark.parametrize("written", ["m.T @ dh", "m @ dh"])
def test_a_square_matrix_that_is_to_be_turned_over(written: str, tmp_path: Path) -> None:
    mixed = PROGRAM.replace(
        "h = np.tanh(x @ w1 + b1)", "m = np.arange(36.0).reshape(6, 6) / 36\na = np.tanh(x @ w1 + b1)\nh = m @ a"
    )
    mixed = mixed.replace("dh = (d @ w2.T) * derivative(h)", f"dh = d @ w2.T\ndh = ({written}) * derivative(a)")
    tape, given, moved, file = recorded(mixed, tmp_path)
    found = turned(tape, [] if ".T" in written else ["w1", "b1"], given, moved)
    line = mixed[: mixed.index(f"({written})")].count("\n") + 1
    assert [(place(over.site, {file: ""}), sorted(over.tensors)) for over in found] == (
        [] if ".T" in written else [((file, line), ["b1", "w1"])]
    )


def test_a_gradient_that_is_taken_for_that_of_another_tensor_has_the_line_that_takes_it(tmp_path: Path) -> None:
    wrong = PROGRAM.replace("0.1 * db1", "0.1 * dw2[:, 0]")
    tape, given, moved, file = recorded(wrong, tmp_path)
    line = wrong[: wrong.index("new_b1")].count("\n") + 1
    assert first_wrong(tape, ["b1"], given, moved, {file: ""}) == ((file, line), False)


def test_weights_that_decay_beside_a_wrong_gradient_are_not_the_way_back(tmp_path: Path) -> None:
    decaying = PROGRAM.replace("0.1 * dw1", "0.1 * (dw1 + 0.01 * w1)").replace("dw1 = x.T @ dh", "dw1 = x.T @ (dh * h)")
    tape, given, moved, file = recorded(decaying, tmp_path)
    line = decaying[: decaying.index("dw1 =")].count("\n") + 1
    assert first_wrong(tape, ["w1"], given, moved, {file: ""})[0] == (file, line)


def test_a_sum_over_everything_that_is_zero_has_its_line(tmp_path: Path) -> None:
    centered = PROGRAM.replace("np.tanh(x @ w1 + b1)", "np.tanh((a := x @ w1 + b1) - a.mean(1, keepdims=True))")
    centered = centered.replace("dw1 = x.T", "dh = dh - dh.mean(1, keepdims=True)\ndw1 = x.T")
    tape, _, moved, file = recorded(centered.replace("dh.sum(0)", "dh.sum()"), tmp_path)
    found = vanished(tape, ["b1"], moved)
    assert [(place(f.site, {file: ""}), f.axis) for f in found] == [((file, 16), 0)]
    tape, _, moved, _ = recorded(centered, tmp_path)
    assert vanished(tape, ["b1"], moved) == []


def test_the_lines_that_a_gradient_comes_by(tmp_path: Path) -> None:
    tape, _, moved, file = recorded(PROGRAM, tmp_path)
    lines = [line for _, line in chain(tape, ["w1"], moved, {file: ""})]
    rows = [PROGRAM.splitlines()[line - 1].split(" = ")[0] for line in lines]
    assert {"d", "dh", "dw1", "new_w1"} <= {*rows}
    assert not {"h", "dw2", "db1", "new_w2"} & {*rows}


def test_a_helper_that_holds_the_mistake_is_named(tmp_path: Path) -> None:
    tape, given, moved, file = recorded(PROGRAM.replace("return 1 - square", "return 1 + square"), tmp_path)
    assert first_wrong(tape, ["w1", "b1"], given, moved, {file: ""}) == ((file, 5), False)


def test_a_helper_that_serves_elsewhere_is_not(tmp_path: Path) -> None:
    """The error of the output stands where that of the hidden layer belongs; the derivative is right."""
    source = PROGRAM.replace("out = h @ w2 + b2", "out = np.tanh(h @ w2 + b2)")
    source = source.replace("d = 2 * (out - y)", "e = 2 * (out - y)\nd = e * derivative(out)")
    source = source.replace("dh = (d @ w2.T) * derivative(h)", "dh = e * derivative(h)")
    tape, given, moved, file = recorded(source, tmp_path)
    line = next(number for number, row in enumerate(source.splitlines(), 1) if row.startswith("dh = e"))
    assert first_wrong(tape, ["w1", "b1"], given, moved, {file: ""})[0] == (file, line)


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"return 1 - square": "return 1 + square"}, 5),
        ({"return 1 - square": "return f(a)", "def derivative": "def f(a):\n    return 2 + a\n\ndef derivative"}, 8),
        ({"derivative(h)": "derivative(x @ w1)"}, None),  # right, but taken at another value
        ({"return 1 - square": "return np.where(a < 0, 1.0, 0.0)"}, None),  # a mask
    ],
)
def test_a_function_that_is_no_derivative_is_to_blame_and_not_where_it_is_used(
    changed: dict[str, str], line: int | None, tmp_path: Path
) -> None:
    source = PROGRAM
    for right, wrong in changed.items():
        source = source.replace(right, wrong)
    tape, _, moved, file = recorded(source, tmp_path)
    at = next(number for number, row in enumerate(source.splitlines(), 1) if row.startswith("dh = "))
    found = wrong_functions(tape, moved, {(file, at)}, {file: source})
    assert found == ({} if line is None else {(file, at): (file, line)})


@pytest.mark.parametrize(
    ("right", "wrong", "tensor"),
    [
        ("db1 = dh.sum(0)", "db1 = dh.sum()", "b1"),  # one number, which NumPy broadcasts in the update
        ("d = 2 * (out - y)", "d = abs(out * out)", "w2"),  # nothing that it takes is a gradient
    ],
)
def test_the_line_of_what_has_no_gradient_behind_or_beside_it(
    right: str, wrong: str, tensor: str, tmp_path: Path
) -> None:
    source = PROGRAM.replace(right, wrong)
    assert source != PROGRAM
    tape, given, moved, file = recorded(source, tmp_path)
    line = next(number for number, row in enumerate(source.splitlines(), 1) if wrong in row)
    assert first_wrong(tape, [tensor], given, moved, {file: ""})[0] == (file, line)


def test_the_line_that_calls_a_function_of_mere_arithmetic(tmp_path: Path) -> None:
    source = PROGRAM.replace("h = np.tanh(", "def mul(a, b):\n    return a * b\n\nh = np.tanh(")
    source = source.replace("dh = (d @ w2.T) * derivative(h)", "dh = mul(d @ w2.T, h)")
    tape, given, moved, file = recorded(source, tmp_path)
    line = next(number for number, row in enumerate(source.splitlines(), 1) if row.startswith("dh = mul"))
    assert first_wrong(tape, ["w1", "b1"], given, moved, {file: source})[0] == (file, line)


def test_a_function_of_the_forward_pass_is_right_and_its_call_in_the_backward_pass_is_wrong(tmp_path: Path) -> None:
    helper = "def squash(s):\n    return 1 / (1 + np.exp(-s))\n\nh = squash("
    source = PROGRAM.replace("h = np.tanh(", helper).replace("derivative(h)", "squash(h) * (1 - squash(h))")
    tape, given, moved, file = recorded(source, tmp_path)
    line = next(number for number, row in enumerate(source.splitlines(), 1) if row.startswith("dh ="))
    assert first_wrong(tape, ["w1", "b1"], given, moved, {file: source})[0] == (file, line)


def test_a_derivative_that_is_taken_at_the_error_is_wrong_where_it_is_called(tmp_path: Path) -> None:
    source = PROGRAM.replace("h @ w2 + b2\n", "np.tanh(h @ w2 + b2)\n")
    source = source.replace("d = 2 * (out - y)", "d = 2 * (out - y) * derivative(out)")
    source = source.replace("dh = (d @ w2.T) * derivative(h)", "e = d @ w2.T\ndh = e * derivative(e)")
    tape, given, moved, file = recorded(source, tmp_path)
    line = next(number for number, row in enumerate(source.splitlines(), 1) if row.startswith("dh ="))
    assert first_wrong(tape, ["w1", "b1"], given, moved, {file: source})[0] == (file, line)


def test_a_backward_pass_that_is_a_function_is_no_helper(tmp_path: Path) -> None:
    rows = PROGRAM.replace("db1 = dh.sum(0)", "db1 = dh.sum()").splitlines()
    first, last = (next(i for i, row in enumerate(rows) if row.startswith(name)) for name in ("dh =", "new_w2"))
    body = [f"    {row}" for row in (*rows[first:last], "return dw1, db1")]
    rows = [*rows[:first], "def back(d):", *body, "dw1, db1 = back(d)", *rows[last:]]
    source = "\n".join(rows)
    tape, given, moved, file = recorded(source, tmp_path)
    line = next(number for number, row in enumerate(rows, 1) if row.startswith("    db1 ="))
    assert first_wrong(tape, ["b1"], given, moved, {file: source})[0] == (file, line)


def test_a_factor_of_a_function_of_the_forward_pass_is_that_of_its_call(tmp_path: Path) -> None:
    helper = "def twice(s):\n    return 2 * s\n\nh = 0.5 * twice(np.tanh("
    source = PROGRAM.replace("h = np.tanh(x @ w1 + b1)", helper + "x @ w1 + b1))").replace("h.T @ d", "twice(h).T @ d")
    tape, given, moved, file = recorded(source, tmp_path)
    line = next(number for number, row in enumerate(source.splitlines(), 1) if row.startswith("dw2 ="))
    lines = of_factors(tape, {"w2": 2.0}, ["w1", "b1", "b2"], given, moved, {file: source})
    assert lines["w2"] == (file, line)


def test_a_derivative_that_is_called_once_and_at_the_error(tmp_path: Path) -> None:
    source = PROGRAM.replace("dh = (d @ w2.T) * derivative(h)", "e = d @ w2.T\ndh = e * derivative(e)")
    source = source.replace("    square = a * a\n    return 1 - square", "    return a * (1 - a)")
    tape, given, moved, file = recorded(source, tmp_path)
    line = next(number for number, row in enumerate(source.splitlines(), 1) if row.startswith("dh ="))
    assert first_wrong(tape, ["w1", "b1"], given, moved, {file: source})[0] == (file, line)


def test_what_a_loss_takes_is_behind_all_parameters(tmp_path: Path) -> None:
    tape, *_ = recorded(PROGRAM, tmp_path)
    case = TapeCase(backward(tape), [], [], {})
    said = {hypothesis.node.site.line for hypothesis in losses(case) if hypothesis.node and hypothesis.node.site}
    assert said <= {PROGRAM[: PROGRAM.index(text)].count("\n") + 1 for text in ("out =", "loss =")}
    assert said


GATE = """import numpy as np
h = np.tanh(x @ w1 + b1)
z = 1 / (1 + np.exp(-h))
t = np.tanh(0.5 * h)
mixed = (1 - z) * h + z * t
out = mixed @ w2 + b2
loss = ((out - y) ** 2).sum()
d = 2 * (out - y)
dm = d @ w2.T
dt = dm * z * (1 - t * t)
dz = dm * (t - h) * z * (1 - z)
dh = dm * (1 - z) + 0.5 * dt + dz
dw1 = x.T @ (dh * (1 - h * h))
new_w1, new_b1 = w1 - 0.1 * dw1, b1 - 0.1 * (dh * (1 - h * h)).sum(0)
new_w2, new_b2 = w2 - 0.1 * mixed.T @ d, b2 - 0.1 * d.sum()
"""


def test_the_share_of_a_gate_that_is_taken_for_the_other_one(tmp_path: Path) -> None:
    tape, given, moved, file = recorded(GATE.replace("dh = dm * (1 - z)", "dh = dm * z"), tmp_path)
    found = mistyped(tape, ["w1", "b1"], given, moved)
    assert found is not None and place(found.site, {file: ""}) == (file, 12)
    assert "1 - f" in found.named()[1] and set(found.tensors) == {"w1", "b1"}
    assert mistyped(*recorded(GATE, tmp_path)[:1], [], given, moved) is None


NEURONS = """import numpy as np
import math

def squash(s):
    return 1 / (1 + math.exp(-s))

layers, row, outs = [w1, w2], [x[0][0], x[0][1], x[0][2]], []
for w in layers:
    outs.append([squash(sum(w[i][j] * row[i] for i in range(len(row)))) for j in range(w.shape[1])])
    row = outs[-1]
loss = 0.5 * (row[0] - 0.3) ** 2
deltas = [[0.0] * 4, [0.0]]
for l in (1, 0):
    for j, o in enumerate(outs[l]):
        if l == 1:
            error = o - 0.3
        else:
            error = w2[j][0] * deltas[1][0]
        deltas[l][j] = error * o * (1 - o)
new_w2 = w2 - 0.1 * np.array([[o * deltas[1][0]] for o in outs[0]])
new_w1 = w1 - 0.1 * np.array([[v * d for d in deltas[0]] for v in x[0]])
new_b1, new_b2 = b1, b2
"""


def test_numbers_that_one_place_computes_for_several_layers_have_their_line(tmp_path: Path) -> None:
    source = NEURONS.replace("error = w2[j][0] *", "error = 0.5 + w2[j][0] *")
    tape, given, moved, file = recorded(source, tmp_path)
    assert first_wrong(tape, ["w1"], given, moved, {file: ""})[0] == (file, 18)
