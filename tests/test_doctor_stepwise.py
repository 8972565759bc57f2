"""Mistakes named one after the other along a recorded backward pass."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pellucid.check.record.recording import recording
from pellucid.check.record.reverse import backward
from pellucid.doctor.probes.stepwise import stepwise
from pellucid.doctor.probes.substitute import exchanged
from pellucid.doctor.probes.truths import truths
from pellucid.doctor.probes.values import Values

PROGRAM = """import numpy as np

def sigmoid(z):
    return 1 / (1 + np.exp(-z))

hs = [h0]
gates, news = [], []
for x in xs:
    gate = sigmoid(x @ wg + hs[-1] @ ug)
    new = np.tanh(x @ wn + hs[-1] @ un)
    gates.append(gate)
    news.append(new)
    hs.append(gate * hs[-1] + (1 - gate) * new)
loss = ((hs[-1] @ wo - y) ** 2).sum()
dout = 2 * (hs[-1] @ wo - y)
dwo = hs[-1].T @ dout
dh = dout @ wo.T
dwg, dug, dwn, dun = 0 * wg, 0 * ug, 0 * wn, 0 * un
for x, h, gate, new in reversed(list(zip(xs, hs, gates, news))):
    dgate = dh * (h - new)
    dz = dgate * gate * (1 - gate)
    dnew = dh * (1 - gate)
    da = dnew * (1 - new ** 2)
    dwg = dwg + x.T @ dz
    dug = dug + h.T @ dz
    dwn = dwn + x.T @ da
    dun = dun + h.T @ da
    dh = dh * gate + dz @ ug.T + da @ un.T
"""
SHAPES = {"wg": (3, 4), "ug": (4, 4), "wn": (3, 4), "un": (4, 4), "wo": (4, 2)}


def recorded(source: str, tmp_path: Path) -> tuple[Any, dict[str, np.ndarray]]:
    """The tape of a program and what it gives as gradients."""
    path = tmp_path / "train.py"
    path.write_text(source)
    rng = np.random.default_rng(0)
    space: dict[str, Any] = {
        "xs": list(rng.normal(size=(5, 2, 3))),
        "y": rng.normal(size=(2, 2)),
        "h0": rng.normal(size=(2, 4)),
    }
    weights = {name: rng.normal(size=shape) for name, shape in SHAPES.items()}
    with recording() as recorder:
        space |= {name: recorder.parameter(name, value) for name, value in weights.items()}
        exec(compile(source, str(path), "exec"), space)  # noqa: S102
        recorder.tape.result = recorder.node(space["loss"])
        given = {name: np.asarray(recorder.node(space[f"d{name}"]).value, dtype=float) for name in SHAPES}
    return recorder.tape, given


HEADS = """import numpy as np

q = x @ wq
k = x @ wk
v = x @ wv
a = np.tanh(q @ k.T)
out = a @ v
loss = ((out - y) ** 2).sum()
dout = 2 * (out - y)
da = dout @ v.T
dv = a.T @ dout
ds = da * (1 - a ** 2)
dq = ds @ k
dk = ds.T @ q
dwq, dwk, dwv = x.T @ dq, x.T @ dk, x.T @ dv
"""


@pytest.mark.parametrize(
    ("planted", "expected"),
    [
        ({"da = dout @ v.T": "da = out @ v.T"}, ("take dout for out", "da =", ["wk", "wq"])),
        ({"dk = ds.T @ q": "dk = ds.T @ v"}, ("take q for v", "dk =", ["wk"])),
        ({"dq = ds @ k": "dq = da @ k"}, None),  # a derivative is left out, which is said by its own name
        ({"dv = a.T @ dout": "dv = a @ dout"}, None),  # turned over
    ],
)
def test_a_product_of_another_value_of_the_same_shape(planted, expected, tmp_path: Path) -> None:
    source = HEADS
    for right, wrong in planted.items():
        source = source.replace(right, wrong)
    path = tmp_path / "train.py"
    path.write_text(source)
    rng = np.random.default_rng(0)
    names = ("wq", "wk", "wv")
    space: dict[str, Any] = {"x": rng.normal(size=(5, 5)), "y": rng.normal(size=(5, 4))}
    with recording() as recorder:
        space |= {name: recorder.parameter(name, rng.normal(size=(5, 4)) / 3) for name in names}
        exec(compile(source, str(path), "exec"), space)  # noqa: S102
        recorder.tape.result = recorder.node(space["loss"])
        given = {name: np.asarray(recorder.node(space[f"d{name}"]).value, dtype=float) for name in names}
    true = backward(recorder.tape).gradients()
    wrong = [name for name in names if not np.allclose(given[name], true[name])]
    found = exchanged(recorder.tape, wrong, given, {})
    assert wrong
    if expected is None:
        assert found is None
    else:
        assert found is not None
        assert found.site is not None
        assert found.said({found.site.file: source})[1] == expected[0]
        assert (found.site.line, sorted(found.tensors)) == (line(expected[1], source), expected[2])


def line(text: str, source: str) -> int:
    return next(number for number, row in enumerate(source.splitlines(), 1) if text in row)


@pytest.mark.parametrize(
    ("planted", "mistakes"),
    [
        ({"dz = dgate * gate * (1 - gate)": "dz = dgate"}, [("missing-activation-derivative", "dgate =")]),
        ({"da = dnew * (1 - new ** 2)": "da = dnew * new * (1 - new)"}, [("derivative-at-wrong-point", "da =")]),
        ({"dh * gate + dz @ ug.T + da @ un.T": "dz @ ug.T + da @ un.T"}, [("dropped-term", "dh = dz")]),
        ({"+ dz @ ug.T + da @ un.T": "+ da @ un.T"}, [("dropped-term", "dh = dh")]),
        (
            {"da @ un.T": "da @ un", "dz = dgate * gate * (1 - gate)": "dz = dgate"},
            [("missing-activation-derivative", "dgate ="), ("transpose", "dh = dh")],
        ),
    ],
)
def test_mistakes_are_found_one_after_the_other_with_their_lines(planted, mistakes, tmp_path):
    source = PROGRAM
    for old, new in planted.items():
        assert source.count(old) == 1
        source = source.replace(old, new)
    tape, given = recorded(source, tmp_path)
    steps, left = stepwise(tape, given, ["wg", "ug", "wn", "un"], ["wo"], {}, [2], lambda: True)
    assert left == set()
    found = [(str(step.hypothesis.mistake), step.site.line if step.site else None) for step in steps]
    assert sorted(found) == sorted((mistake, line(text, source)) for mistake, text in mistakes)


def test_a_right_backward_pass_holds_no_value_that_is_wrong(tmp_path):
    tape, given = recorded(PROGRAM, tmp_path)
    way = backward(tape)
    values = Values(tape, {}, way)
    assert stepwise(tape, given, [], list(SHAPES), {}, [2], lambda: True) == ([], set())
    sums = [
        step for step in values.steps.values() if step.site is not None and step.site.line == line("dh = dh", PROGRAM)
    ]
    sums = [step for step in sums if step.op == "add" and step.nodes[0].index not in values.forward]
    assert len(sums) == 10 and all(values.truth(step) is not None for step in sums[:-2])  # of h0 nothing is known


def test_a_sum_of_some_terms_is_a_part_and_of_all_the_whole(tmp_path):
    tape, _ = recorded(PROGRAM, tmp_path)
    way = backward(tape)
    found = truths(way, [[node] for node in tape.useful()])
    wg = tape.parameters["wg"]
    whole = found.of(3 * way.adjoints[wg.index].T)
    assert whole is not None and whole.whole and whole.nodes == {wg.index} and np.isclose(whole.times, 3)
    assert found.of(np.ones((4, 3))) is None
