"""A pass that is run with one statement written otherwise, and the line that a mistake is told at by it."""

import ast
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pellucid.doctor import examine_script
from pellucid.doctor.process.edited import EditedPass
from pellucid.doctor.process.instrument import ProgramLoop
from pellucid.doctor.process.paths import Scope
from pellucid.doctor.process.state import SavedState
from pellucid.doctor.process.variants import Variant, unread, variants

IN_MODULE = """
def slope(w):
    g = 2 * w
    return g

w, total = 3.0, 0.0
for i in range(2):
    look()
    for k in range(2):
        if k == 0:
            continue
        total += k
    w -= 0.1 * slope(w)
"""
IN_FUNCTION = """
class Net:
    def __init__(self):
        self.w = 3.0

    def slope(self):
        g = 2 * self.w
        return g

def train(net, rate):
    for i in range(2):
        look()
        step = net.slope()
        net.w = net.w - rate * step
        if net.w > 100:
            return net
    return net

net = train(Net(), 0.1)
"""


def at_first_pass(source: str, line: int, work: Any) -> dict[str, Any]:
    """Run a program, and `work` on a pass of the loop in a line when it is there for the first time."""
    tree, begun, seen = ast.parse(source), [], []
    last = next(n.end_lineno for n in ast.walk(tree) if isinstance(n, ast.For) and n.lineno == line)

    def look() -> None:
        if not begun:
            begun.append(True)
            frame = sys._getframe(1)
            scope = Scope(frame, {"__main__": space})
            seen.append(work(EditedPass(scope, ProgramLoop(0, "a.py", line, last, "", None), {"a.py": source}), scope))

    space: dict[str, Any] = {"look": look, "__name__": "__main__"}
    exec(compile(source, "a.py", "exec"), space)  # noqa: S102
    return {"seen": seen[0], **space}


def written(edited: EditedPass, old: str, new: str) -> Variant:
    for tree in edited.trees.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.stmt) and ast.unparse(node) == old:
                return Variant("", "a.py", node.lineno, node, ast.parse(new).body[0])
    raise LookupError(old)


@pytest.mark.parametrize(
    ("source", "line", "value", "change", "in_function"),
    [
        (
            IN_MODULE,
            7,
            lambda names: names["w"],
            ("w -= 0.1 * slope(w)", "w += 0.1 * slope(w)"),
            ("g = 2 * w", "g = 4 * w"),
        ),
        (
            IN_FUNCTION,
            11,
            lambda names: names["net"].w,
            ("net.w = net.w - rate * step", "net.w = net.w + rate * step"),
            ("g = 2 * self.w", "g = 4 * self.w"),
        ),
    ],
)
def test_a_pass_is_run_with_a_statement_written_otherwise(source, line, value, change, in_function) -> None:
    def work(edited: EditedPass, scope: Scope) -> list[float]:
        state, found = SavedState(scope), list[float]()
        for changes in ([], [change], [in_function], [change, in_function], []):
            left = edited.run(*(written(edited, *c) for c in changes))
            found.append(value(left.frame.f_locals))  # type: ignore[union-attr]
            state.restore()
        edited.shapes()
        state.restore()
        assert sorted(name for _, name, _ in edited.ran) == ["", "slope"]
        return found

    after = at_first_pass(source, line, work)
    assert np.allclose(after["seen"], [2.4, 3.6, 1.8, 4.2, 2.4])
    assert np.isclose(value(after), 3.0 * 0.8 * 0.8)  # the program itself went on as it was


@pytest.mark.parametrize(
    ("text", "shapes", "meant"),
    [
        ("dz = dh * (h - c) * z * (1 - z)", {}, "dz = dh * (c - h) * z * (1 - z)"),
        ("dU = np.dot(A, dC)", {}, "dU = np.dot(A.T, dC)"),
        ("dW = X.dot(d)", {}, "dW = X.T.dot(d)"),
        ("d = e * 2", {}, "d = e"),
        (
            "back = sum(e[k] * w[k] for k in range(n))",
            {"e": (3,), "d": (3,)},
            "back = sum(d[k] * w[k] for k in range(n))",
        ),
        ("dZ = s * A1", {"A1": (5, 4), "dA1": (4, 5)}, "dZ = s * dA1.T"),
        ("(da, db), (dx, dy) = back(t)", {}, "((db, da), (dy, dx)) = back(t)"),
        ("return (da, db)", {}, "return (db, da)"),
        ("delta = np.zeros_like(y)", {}, "delta = np.zeros_like(y, dtype=float)"),
        ("db = d.sum()", {}, "db = d.sum(axis=0)"),
        ("dz = da * (z < 0)", {}, "dz = da * (z > 0)"),
        ("dh = W.T @ dy", {"dh": (4,), "late": (4,)}, "dh = W.T @ dy + late"),
        ("d1 = d2 @ W2.T", {"d1": (8, 3), "h": (8, 3)}, "d1 = d2 @ W2.T * (1 - h ** 2)"),
        ("g = acts[i]", {}, "g = acts[i - 1]"),
        ("W += rate * dW", {}, "W -= rate * dW"),
    ],
)
def test_what_is_meant_is_among_what_is_tried(text, shapes, meant) -> None:
    tree = ast.parse(f"def f():\n    {text}")
    statement = tree.body[0].body[0]  # type: ignore[attr-defined]
    tried = {Variant(kind, "", 1, statement, new).text for kind, new in variants(statement, shapes, ["late"])}
    plain = {ast.unparse(ast.parse(text)).replace("((", "(").replace("))", ")") for text in tried}
    assert meant in tried or meant.replace("((", "(").replace("))", ")") in plain


def test_names_that_nothing_reads() -> None:
    assert unread(ast.parse("a = f(x)\nb = a + 1").body) == ["b"]


ATTENTION = """import numpy as np
rng = np.random.default_rng(4)
T, D = 5, 4
P = {name: rng.normal(size=(D, D)) * 0.5 for name in "qkv"}
P["o"] = rng.normal(size=D)

def step(x, y):
    q, k, v = x @ P["q"], x @ P["k"], x @ P["v"]
    s = np.exp(q @ k.T)
    a = s / s.sum(axis=1, keepdims=True)
    h = (a @ v).mean(axis=0)
    e = h @ P["o"] - y
    loss = e * e
    dh = np.tile(2 * e * P["o"] / T, (T, 1))
    dv = a @ dh
    da = dh @ v.T
    ds = a * (da - (da * a).sum(axis=1, keepdims=True))
    dk = ds @ q
    dq = ds @ k
    g = {"o": 2 * e * h, "q": x.T @ dq, "k": x.T @ dk, "v": x.T @ dv}
    for name in P:
        P[name] -= 0.02 * g[name]
    return loss

for turn in range(150):
    x = rng.normal(size=(T, D))
    loss = step(x, x[:, 0].max())
    if turn % 50 == 0:
        print(turn, loss)
"""


@pytest.mark.slow
def test_two_mistakes_are_each_told_at_the_line_that_makes_them(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(ATTENTION)
    report = examine_script(script, budget=40.0)
    told = {(f.line, f.mistake, f.fix) for f in report.findings if f.cause == "wrong-backward"}
    assert told == {(15, "transpose", "dv = a.T @ dh"), (18, "transpose", "dk = ds.T @ q")}
