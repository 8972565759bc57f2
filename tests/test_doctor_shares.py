"""A gradient that comes by several paths, by one of which it is too large or of the other sign."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pellucid.check.record.recording import recording
from pellucid.check.record.reverse import backward
from pellucid.doctor.probes.shares import unequal

PROGRAM = """import numpy as np

def forward(z, g):
    mean, var = z.mean(axis=0), z.var(axis=0)
    zhat = (z - mean) / np.sqrt(var + 1e-5)
    return g * zhat, zhat, var

def back(dout, g, zhat, var):
    dzhat = dout * g
    dz = (dzhat - dzhat.mean(axis=0) - zhat * (dzhat * zhat).mean(axis=0)) / np.sqrt(var + 1e-5)
    return dz, (dout * zhat).sum(0)

z = x @ w
n, zhat, var = forward(z, g)
h = np.tanh(n)
p = h @ v
loss = ((p - y) ** 2).mean() + 0.1 * (w * w).sum()
dp = 2 * (p - y) / y.size
dv = h.T @ dp
dz, dg = back((dp @ v.T) * (1 - h ** 2), g, zhat, var)
dw = x.T @ dz + 0.2 * w
"""
SHAPES = {"w": (4, 5), "g": (5,), "v": (5, 2)}


@pytest.mark.parametrize(
    ("right", "wrong", "expected"),
    [
        ("zhat).mean(axis=0)", "zhat).sum(axis=0)", "batch-factor"),
        ("- dzhat.mean", "+ dzhat.mean", "sign"),
        ("- zhat * (", "- 0.5 * zhat * (", "constant-factor"),
        ("dzhat.mean(axis=0) - zhat * (", "dzhat.sum(axis=0) + zhat * (", "constant-factor"),
        ("- zhat * (dzhat * zhat).mean(axis=0)", "", None),  # a term that is left out
        (" + 0.2 * w", "", None),
        ("* (1 - h ** 2)", "", None),
    ],
)
def test_a_path_by_which_a_gradient_is_too_large(right: str, wrong: str, expected: str | None, tmp_path: Path) -> None:
    source = PROGRAM.replace(right, wrong)
    assert source != PROGRAM
    path = tmp_path / "train.py"
    rng = np.random.default_rng(0)
    space: dict[str, Any] = {"x": rng.normal(size=(30, 4)), "y": rng.normal(size=(30, 2))}
    weights = {name: rng.normal(size=shape) for name, shape in SHAPES.items()}
    with recording() as recorder:
        space |= {name: recorder.parameter(name, value) for name, value in weights.items()}
        exec(compile(source, str(path), "exec"), space)  # noqa: S102
        recorder.tape.result = recorder.node(space["loss"])
        given = {name: np.asarray(recorder.node(space[f"d{name}"]).value, dtype=float) for name in SHAPES}
    true = backward(recorder.tape).gradients()
    off = [name for name in SHAPES if not np.allclose(given[name], true[name])]
    assert off
    found = unequal(recorder.tape, off, given, {})
    if expected is None:
        assert found is None
    else:
        assert found is not None
        assert found.site is not None
        assert (found.named({30})[0], found.site.line, found.tensors) == (expected, 10, ["w"])


def test_what_a_loss_takes_in_the_turns_of_a_loop_is_one_path(tmp_path: Path) -> None:
    """A sum of log probabilities of several words, whose gradient counts the softmax once."""
    path, rng = tmp_path / "train.py", np.random.default_rng(0)
    source = (
        "import numpy as np\n\nu = x @ w\nloss = 0.0\nfor m in words:\n    loss += -u[m]\n"
        "loss += len(words) * np.log(np.sum(np.exp(u)))\ne = np.exp(u) / np.sum(np.exp(u)) - t\n"
        "dw = np.outer(x, e)\n"
    )
    t = np.zeros(5)
    words = [0, 2, 3]
    t[words] = 1.0
    space: dict[str, Any] = {"x": rng.normal(size=4), "t": t, "words": words}
    with recording() as recorder:
        space["w"] = recorder.parameter("w", rng.normal(size=(4, 5)))
        exec(compile(source, str(path), "exec"), space)  # noqa: S102
        recorder.tape.result = recorder.node(space["loss"])
        given = {"w": np.asarray(recorder.node(space["dw"]).value, dtype=float)}
    found = unequal(recorder.tape, ["w"], given, {})
    assert found is not None and found.site is not None
    mistake, text, _ = found.named(set())
    assert (mistake, found.site.line) == ("constant-factor", 8)
    assert "multiplied by 3" in text
