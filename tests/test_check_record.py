"""What a recording of a NumPy program survives: its derivative is the one by differences, and nothing was lost."""

# pyright: reportAttributeAccessIssue=false, reportOptionalCall=false, reportArgumentType=false
from __future__ import annotations

import math

import numpy as np
import pytest

from pellucid.check.record.recording import record, recording
from pellucid.check.record.reverse import backward, gradients

rng = np.random.default_rng(0)
W, V, M = rng.normal(size=(3, 4)), np.array([0.83, -1.27, 0.41, -0.64]), rng.normal(size=(4, 4))
X, LABELS, INDEX = rng.normal(size=(5, 3)), rng.integers(0, 4, 5), np.array([0, 2, 2, 1, 0])
IMAGE, KERNEL = rng.normal(size=(6, 6)), rng.normal(size=(3, 3))
PARAMS = {"w": W, "v": V, "m": M, "k": KERNEL, "c": np.array(0.7)}


def sigmoid(z):
    return 1 / (1 + math.exp(-z))


def rectified(z):
    return max(0.0, z)


def at_add(p):
    total = np.zeros((3, 4))
    np.add.at(total, INDEX, np.tile(p["v"], (5, 1)) * X[:, :1])
    return (total**2).sum()


def at_subtract(p):
    total = np.ones((3, 4))
    np.subtract.at(total, [0, 1, 1], p["w"])
    return (total**2).sum()


def buffers(p):
    out = np.zeros((5, 4))
    np.dot(X, p["w"], out=out)
    np.add(out, p["v"], out=out)
    np.maximum(out, 0.1, out=out)
    return (out**2).mean()


def copied(p):
    out = np.empty_like(p["w"])
    np.copyto(out, p["w"])
    return (out**3).sum()


def turned_in_place(p):
    row = p["v"] * 2
    row.shape = (4, 1)
    return (p["w"] @ row).sum() + row.shape[0]


def placed(p):
    out = np.zeros((3, 4))
    np.put_along_axis(out, np.array([[0], [1], [3]]), p["w"][:, :1], axis=1)
    return (out**2).sum()


def filled(p):
    a = p["m"].copy()
    np.fill_diagonal(a, 0.0)
    return (a**2).sum()


def of_floats(p):
    total = 0.0
    for i in range(4):
        total += float(p["v"][i]) ** 2 * float(p["c"])
    return total


def of_items(p):
    return sum(p["v"][i].item() * p["c"].item() for i in range(4))


def of_lists(p):
    return sum(a * b for a, b in zip(p["v"].tolist(), p["v"].tolist(), strict=True))


def into_lists(p):
    rows = [[float(p["w"][i, j]) * 2 for j in range(4)] for i in range(3)]
    return (np.array(rows) ** 2).sum()


def with_branches(p):
    return sum(value**2 if value > 0 else 0.1 * value for value in p["v"])


FUNCTIONS = {
    "matrices": lambda p: of_matrices(p),
    "parts of matrices": lambda p: of_matrix_parts(p),
    "matrices of text": lambda p: of_matrix_text(p),
    "float()": of_floats,
    "item()": of_items,
    "tolist()": of_lists,
    "floats into an array": into_lists,
    "a branch for each value": with_branches,
    "math.exp of each": lambda p: sum(sigmoid(value) for value in p["v"]),
    "math of floats": lambda p: math.exp(float(p["c"])) + math.tanh(float(p["v"][0])) + math.pow(float(p["c"]), 3),
    "math.log2, log10, atan": lambda p: math.log2(p["c"]) + math.log10(p["c"]) + math.atan(p["c"]),
    "math.erf": lambda p: math.erf(p["c"]) + math.hypot(p["c"], 2.0) + math.cosh(p["c"]),
    "math.fsum": lambda p: math.fsum(value * value for value in p["v"]),
    "max of Python": lambda p: max(0.0, float(p["c"])) * max(p["v"][0], p["v"][1]),
    "abs and sum of Python": lambda p: abs(p["c"]) + sum(p["v"]) ** 2,
    "round to a number of digits": lambda p: p["c"] * 2 + 0 * round(float(p["c"]), 3),
    "vstack": lambda p: (np.vstack([p["w"], p["m"]]) ** 2).sum(),
    "hstack": lambda p: (np.hstack([p["v"], 2 * p["v"]]) ** 2).sum(),
    "hstack of biases": lambda p: (np.hstack([np.ones((5, 1)), X]) @ np.vstack([p["v"], p["w"]]) ** 2).sum(),
    "column_stack": lambda p: (np.column_stack([p["v"], p["v"] ** 2]) ** 2).sum(),
    "row_stack by c_": lambda p: (np.c_[np.ones(4), p["v"]] ** 2).sum() + (np.r_[p["v"], p["v"]] ** 3).sum(),
    "dstack": lambda p: (np.dstack([p["m"], p["m"].T]) ** 2).sum(),
    "stack": lambda p: (np.stack([p["v"], np.sin(p["v"])], axis=1) ** 2).sum(),
    "concatenate along None": lambda p: (np.concatenate((p["m"], p["v"]), axis=None) ** 2).sum(),
    "append": lambda p: (np.append(p["v"], 1.0) ** 2).sum() + (np.append(p["m"], p["m"], axis=0) ** 3).sum(),
    "insert": lambda p: (np.insert(p["v"], 0, 1.0) ** 2).sum(),
    "block": lambda p: (np.block([[p["m"], p["m"]], [p["m"], 2 * p["m"]]]) ** 2).sum(),
    "inner of vectors": lambda p: np.inner(p["v"], p["v"]) * p["c"],
    "inner of matrices": lambda p: (np.inner(p["w"], p["m"]) ** 2).sum(),
    "inner of a matrix and a vector": lambda p: (np.inner(p["w"], p["v"]) ** 2).sum(),
    "vdot": lambda p: np.vdot(p["m"], p["m"]) * p["c"],
    "dot of scalars": lambda p: np.dot(p["c"], 2.0) + np.dot(p["v"][0], p["v"][1]) + np.dot(3.0, p["v"]).sum(),
    "dot of floats": lambda p: np.dot(float(p["c"]), float(p["v"][0])),
    "outer": lambda p: (np.outer(p["v"], p["v"]) ** 2).sum() + np.multiply.outer(p["v"], p["v"]).sum(),
    "kron": lambda p: (np.kron(p["k"], p["m"]) ** 2).sum(),
    "kron of vectors": lambda p: (np.kron(p["v"], p["v"]) ** 3).sum(),
    "convolve": lambda p: (np.convolve(X[:, 0], p["v"][:3], mode="same") ** 2).sum(),
    "convolve full": lambda p: (np.convolve(p["v"], X[:, 0]) ** 2).sum() + np.convolve(p["v"], X[:, 1], "valid").sum(),
    "correlate": lambda p: (np.correlate(X[:, 0], p["v"][:3], mode="valid") ** 2).sum(),
    "cross": lambda p: (np.cross(p["k"], X[:3]) ** 2).sum(),
    "vectorize": lambda p: (np.vectorize(lambda z: max(z, 0.1 * z))(p["w"]) ** 2).sum(),
    "vectorize of math": lambda p: np.vectorize(sigmoid)(X @ p["w"]).sum(),
    "vectorize of max": lambda p: (np.vectorize(max)(0.0, p["v"]) ** 2).sum(),
    "vectorize of a rectifier": lambda p: (np.vectorize(rectified)(p["v"]) ** 2).sum(),
    "vectorize with otypes": lambda p: np.vectorize(sigmoid, otypes=[float])(p["v"]).sum(),
    "apply_along_axis": lambda p: np.apply_along_axis(lambda row: row / np.sum(np.exp(row)), 1, p["w"]).sum(),
    "frompyfunc": lambda p: (np.frompyfunc(sigmoid, 1, 1)(p["v"]).astype(float) ** 2).sum(),
    "fromiter": lambda p: (np.fromiter((sigmoid(z) for z in p["v"]), dtype=float) ** 2).sum(),
    "einsum": lambda p: (np.einsum("ij,jk->ik", p["w"], p["m"]) ** 2).sum(),
    "einsum of a diagonal": lambda p: np.einsum("ii->", p["m"]) ** 2 + (np.einsum("ii->i", p["m"]) ** 3).sum(),
    "einsum of lists": lambda p: (np.einsum(p["w"], [0, 1], p["m"], [1, 2], [0, 2]) ** 2).sum(),
    "einsum of three": lambda p: np.einsum("ij,jk,k->", p["w"], p["m"], p["v"]) ** 2,
    "tensordot": lambda p: (np.tensordot(p["w"], p["m"], axes=([1], [0])) ** 2).sum(),
    "multi_dot": lambda p: (np.linalg.multi_dot([X, p["w"], p["m"]]) ** 2).sum(),
    "matrix_power": lambda p: np.linalg.matrix_power(p["m"], 3).sum(),
    "norm": lambda p: np.linalg.norm(p["w"]) + np.linalg.norm(p["v"], 1) + np.linalg.norm(p["w"], axis=1).sum(),
    "norm of order inf": lambda p: np.linalg.norm(p["v"], np.inf) + np.linalg.norm(p["v"], ord=3),
    "det, slogdet": lambda p: np.linalg.det(p["m"]) + np.linalg.slogdet(p["m"])[1],
    "trace": lambda p: np.trace(p["m"] @ p["m"]),
    "add.at": at_add,
    "subtract.at": at_subtract,
    "add.reduceat": lambda p: (np.add.reduceat(p["v"], [0, 2]) ** 2).sum(),
    "out=": buffers,
    "copyto": copied,
    "shape=": turned_in_place,
    "ndmin=": lambda p: (p["w"] @ np.array(p["v"], ndmin=2).T).sum() + np.array([p["c"], 2.0], ndmin=2).T.shape[0],
    "put_along_axis": placed,
    "fill_diagonal": filled,
    "where=": lambda p: np.divide(p["v"], 2.0, out=np.zeros(4), where=V > 0).sum() + np.sum(p["v"], where=V > 0),
    "average": lambda p: np.average(p["v"], weights=[1, 2, 3, 4]) + np.average(p["w"], axis=0).sum(),
    "median": lambda p: np.median(p["v"]) + np.median(p["w"], axis=0).sum(),
    "percentile": lambda p: np.percentile(p["v"], 30) + np.quantile(p["w"], 0.5),
    "nansum": lambda p: np.nansum(p["v"] ** 2) + np.nanmean(p["w"]) + np.nanmax(p["v"]),
    "nan_to_num": lambda p: (np.nan_to_num(p["v"]) ** 2).sum(),
    "ptp": lambda p: np.ptp(p["v"]) ** 2,
    "diff": lambda p: (np.diff(p["w"], axis=1) ** 2).sum() + (np.ediff1d(p["v"]) ** 2).sum(),
    "cumprod": lambda p: np.cumprod(p["v"]).sum(),
    "trapezoid": lambda p: getattr(np, "trapezoid", getattr(np, "trapz", None))(p["v"] ** 2),
    "gradient": lambda p: (np.gradient(p["v"]) ** 2).sum(),
    "interp": lambda p: np.interp(p["c"], [0.0, 1.0, 2.0], [0.0, 3.0, 1.0]) ** 2,
    "polyval": lambda p: np.polyval([2.0, -1.0, 0.5], p["v"]).sum() + np.polyval(p["v"], 0.3),
    "sort, partition": lambda p: (np.sort(p["v"]) * np.arange(4)).sum() + np.partition(p["v"], 2)[:2].sum(),
    "select, piecewise": lambda p: np.select([p["v"] > 0], [p["v"] ** 2], 0.1 * p["v"]).sum(),
    "piecewise": lambda p: np.piecewise(p["v"], [V < 0, V >= 0], [lambda z: 0.1 * z, lambda z: z**2]).sum(),
    "choose": lambda p: np.choose(LABELS % 2, [p["v"][0] * np.ones(5), p["v"][1] * np.ones(5)]).sum(),
    "sign, heaviside": lambda p: (np.sign(p["v"]) * p["v"]).sum() + (np.heaviside(p["v"], 0.5) * p["v"]).sum(),
    "sinc, i0": lambda p: np.sinc(p["v"]).sum(),
    "exp of log": lambda p: np.exp(np.log(np.abs(p["v"]))).sum() + np.log1p(np.expm1(p["v"])).sum(),
    "mod": lambda p: (p["v"] % 0.7).sum() + np.fmod(p["v"], 0.3).sum(),
    "floor_divide": lambda p: (p["v"] * (p["v"] // 0.3)).sum(),
    "divmod": lambda p: divmod(p["c"], 0.3)[1] ** 2,
    "copysign": lambda p: np.copysign(p["v"], -1.0).sum(),
    "arctan2, hypot": lambda p: np.arctan2(p["v"], 2.0).sum() + np.hypot(p["v"], 1.0).sum(),
    "deg2rad": lambda p: np.deg2rad(p["v"]).sum() + np.sum(np.degrees(p["v"])),
    "logaddexp2": lambda p: np.logaddexp2(p["v"], 0.0).sum() + np.logaddexp.reduce(p["v"]),
    "float_power": lambda p: np.float_power(np.abs(p["v"]), 1.5).sum(),
    "integer labels": lambda p: -np.log(np.exp(X @ p["w"])[np.arange(5), LABELS]).mean(),
    "lift by one-hot": lambda p: (np.eye(4)[LABELS] * (X @ p["w"])).sum(),
    "masked": lambda p: (p["w"][p["w"] > 0] ** 2).sum(),
    "ix_": lambda p: (p["m"][np.ix_([0, 2], [1, 3])] ** 2).sum(),
    "newaxis": lambda p: (p["v"][:, None] * p["v"][None, :]).sum() + p["v"][np.newaxis].sum(),
    "meshgrid": lambda p: (np.meshgrid(p["v"], p["v"])[0] ** 2).sum(),
    "pad": lambda p: (np.pad(p["k"], 1) ** 2).sum() + (np.pad(p["v"], (1, 2), mode="edge") ** 2).sum(),
    "stride_tricks": lambda p: (np.lib.stride_tricks.sliding_window_view(IMAGE, (3, 3)) * p["k"]).sum() ** 2,
    "flat": lambda p: sum(p["w"].flat[i] ** 2 for i in range(3)) + (p["w"].flat[:] ** 2).sum(),
    "nditer": lambda p: sum(float(z) ** 2 for z in np.nditer(p["w"])),
    "ndenumerate": lambda p: sum(z**2 for _, z in np.ndenumerate(p["w"])),
    "iteration over rows": lambda p: sum((row @ row) for row in p["w"]),
    "sum of a list": lambda p: np.sum([p["v"][0], p["v"][1] ** 2]) + np.mean([row.sum() ** 2 for row in p["w"]]),
    "array of arrays": lambda p: (np.array([p["v"], p["v"] ** 2]) ** 2).sum(),
    "object arrays": lambda p: sum((a**2).sum() for a in np.array([p["w"], p["v"]], dtype=object)),
    "reversed": lambda p: (p["v"][::-1] * np.arange(4)).sum(),
    "real and conj": lambda p: (np.real(p["v"]) * np.conj(p["v"])).sum(),
    "random draws inside": lambda p: ((np.random.default_rng(3).random(4) > 0.5) * p["v"] ** 2).sum(),
    "a pickle": lambda p: (np.asarray(p["v"], dtype=np.float64) ** 2).sum(),
}  # fmt: skip

SCIPY = {
    "expit": lambda s, p: s.special.expit(X @ p["w"]).sum() ** 2,
    "logit": lambda s, p: s.special.logit(s.special.expit(p["v"])).sum() ** 2,
    "log_expit": lambda s, p: s.special.log_expit(p["v"]).sum(),
    "softmax": lambda s, p: (s.special.softmax(X @ p["w"], axis=1)[np.arange(5), LABELS] ** 2).sum(),
    "log_softmax": lambda s, p: -s.special.log_softmax(X @ p["w"], axis=1)[np.arange(5), LABELS].mean(),
    "logsumexp": lambda s, p: s.special.logsumexp(X @ p["w"], axis=1).sum() ** 2,
    "xlogy": lambda s, p: s.special.xlogy(0.3, np.abs(p["v"])).sum() + s.special.xlogy(p["v"] ** 2, 2.0).sum(),
    "xlog1py": lambda s, p: s.special.xlog1py(0.3, p["v"] ** 2).sum(),
    "entr, rel_entr": lambda s, p: s.special.entr(p["v"] ** 2).sum() + s.special.rel_entr(0.3, p["v"] ** 2).sum(),
    "erf": lambda s, p: s.special.erf(p["v"]).sum() + s.special.ndtr(p["v"]).sum() ** 2,
    "huber": lambda s, p: s.special.huber(0.5, p["v"]).sum(),
    "gammaln": lambda s, p: s.special.gammaln(np.abs(p["v"]) + 1).sum(),
    "correlate2d": lambda s, p: (s.signal.correlate2d(IMAGE, p["k"], mode="valid") ** 2).sum(),
    "convolve2d": lambda s, p: (s.signal.convolve2d(IMAGE, p["k"], mode="same") ** 2).sum(),
    "convolve2d full": lambda s, p: (s.signal.convolve2d(p["k"], IMAGE, mode="full") ** 2).sum(),
    "convolve": lambda s, p: (s.signal.convolve(IMAGE, p["k"], mode="valid") ** 2).sum(),
    "fftconvolve": lambda s, p: (s.signal.fftconvolve(IMAGE, p["k"], mode="valid") ** 2).sum(),
    "ndimage": lambda s, p: (s.ndimage.correlate(IMAGE, p["k"], mode="constant") ** 2).sum(),
    "linalg.norm": lambda s, p: s.linalg.norm(p["w"]) ** 2,
}


def of_matrices(p):
    """A network as older programs write it: `*` is a product, a sum along an axis keeps it, a row is a matrix."""
    x, w, bias = np.matrix(X), np.matrix(p["w"]), np.asmatrix(p["v"])
    hidden = 1 / (1 + np.exp(-(x * w + bias)))
    error = np.multiply(hidden, 1 - hidden) * np.matrix(p["m"]).T
    error += 0.5 * hidden.sum(axis=0)
    error[0] -= hidden[1, :].mean(axis=1)[0, 0] * hidden[2]
    error *= np.matrix(p["m"])
    return float((np.power(error, 2).sum(axis=1).T * np.ones((5, 1)))[0, 0]) + hidden[:, 1].max() * p["c"]


def of_matrix_parts(p):
    m = getattr(np, "mat", np.matrix)(p["m"])
    parts = (m.A * m.getA()).sum() + (m.A1**3).sum() + (m.I + m.H).sum() + (m**2).trace()[0, 0]
    joined = np.concatenate((m, np.ones_like(m)), axis=1)
    assert all(
        isinstance(part, np.matrix) for part in (m, m[0], m[:, 1], m.T, joined, m.flatten(), m.sum(0), m.mean(1))
    )
    assert m[0].shape == (1, 4) and m[:, 1].shape == (4, 1) and m[:, 1:2].shape == (4, 1) and m.ravel().shape == (1, 16)
    assert (
        m.argmax(axis=1).shape == (4, 1) and not isinstance(m.A, np.matrix) and not isinstance(np.array(m), np.matrix)
    )
    rows = sum((row * row.T)[0, 0] * p["c"] for row in m)
    return parts + (p["v"] * joined * joined.T).sum() + rows + sum(map(sum, m.tolist()))


def of_matrix_text(p):
    x, y = np.matrix("0 1 2 3; 1 0 2 5"), np.matrix([[1], [0]])
    out = x * np.reshape(p["v"], (-1, 1)) - y
    m = np.matrix(np.zeros((2, 4)))
    m[0] = p["v"]
    m[1, 2] = p["c"]
    m = np.where(m > 0, m, 0.1 * m) * 2  # an array: where gives no matrix
    return np.square(out).sum() + (m * m).sum() + np.mean(np.abs(out), axis=0)[0, 0]


def agrees(function):
    tape = record(function, {name: value.copy() for name, value in PARAMS.items()})
    found = gradients(tape)
    assert tape.result is not None
    assert float(tape.result.value) == pytest.approx(float(function(PARAMS)), rel=1e-9)
    way = {name: rng.normal(size=value.shape) for name, value in PARAMS.items()}
    step = 1e-6
    there, here = (
        float(function({name: value + sign * step * way[name] for name, value in PARAMS.items()})) for sign in (1, -1)
    )
    slope = sum(float((found[name] * way[name]).sum()) for name in PARAMS)
    assert slope == pytest.approx((there - here) / (2 * step), rel=2e-6, abs=1e-7)
    assert any(value.any() for value in found.values())


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@pytest.mark.parametrize("name", FUNCTIONS)
def test_numpy(name):
    agrees(FUNCTIONS[name])


@pytest.mark.parametrize("name", SCIPY)
def test_scipy(name):
    scipy = pytest.importorskip("scipy")
    pytest.importorskip("scipy.ndimage")
    pytest.importorskip("scipy.signal")
    pytest.importorskip("scipy.special")
    agrees(lambda p: SCIPY[name](scipy, p))


def test_the_globals_of_a_script_can_be_given():
    space = {"__name__": "script", "w": 2.0}
    code = "from math import exp\nfrom numpy import sum as total\nloss = float(exp(w[0])) * float(total(w))"
    exec(code.rpartition("\n")[0], space)  # noqa: S102 (a script of ours)
    own = dict(space)
    with recording(spaces=[space]) as recorder:
        space["w"] = recorder.parameter("w", np.array([0.5, 1.5]))
        exec(code.rpartition("\n")[2], space)  # noqa: S102
        recorder.tape.result = recorder.node(space["loss"])
    assert gradients(recorder.tape)["w"] == pytest.approx(math.exp(0.5) * np.array([3.0, 1.0]))
    assert {name: space[name] for name in ("exp", "total")} == {name: own[name] for name in ("exp", "total")}
    assert "float" not in space


@pytest.mark.parametrize("draw", [np.random.randn, lambda *shape: np.random.default_rng(1).normal(size=shape)])
def test_what_is_drawn_within_a_pass_is_recorded_as_it_was_drawn(draw) -> None:
    with recording() as recorder:
        w = recorder.parameter("w", np.array([[1.0, -2.0], [0.5, 3.0]]))
        noise = draw(2, 2)
        recorder.tape.result = recorder.node((np.exp(w) * noise).sum())
    slope = backward(recorder.tape).gradients()["w"]
    assert slope == pytest.approx(np.exp(np.array([[1.0, -2.0], [0.5, 3.0]])) * np.asarray(noise))
