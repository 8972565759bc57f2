"""check.backward and losses that are no clean function in float64: every verdict is right, or inconclusive."""

from __future__ import annotations

import math
import random
import time

import numpy as np
import pytest

from pellucid import check

rng = np.random.default_rng(0)
X, T = rng.normal(size=(20, 4)), rng.normal(size=(20, 1))
LABELS = (T > 0).astype(float)
PARAMS = {"w": rng.normal(size=(4, 1)), "b": np.array([0.3])}


def error(p):
    return X @ p["w"] + p["b"] - T


def grads(p):
    d = 2 * error(p) / len(T)
    return {"w": X.T @ d, "b": d.sum(axis=0)}


def square(p):
    return float((error(p) ** 2).mean())


def float32_buffer(p):
    out = np.empty((20, 1), dtype=np.float32)
    out[:] = X @ p["w"] + p["b"]
    return float(((out - T) ** 2).mean())


def float32_throughout(p):
    out = X.astype(np.float32) @ p["w"].astype(np.float32) + p["b"].astype(np.float32)
    return ((out - T.astype(np.float32)) ** 2).mean()


def float32_unrecorded(p):
    return float(np.float32(float(f"{square(p):.17g}")))


def float16_sum(p):
    return float((error(p) ** 2).astype(np.float16).astype(float).mean())


def rounded(digits):
    return lambda p: round(float(f"{square(p):.17g}"), digits)


def whole_numbers(p):
    return int(100 * square(p))


def by_two_axes(p):
    return np.array([[square(p)]])


def recorded_by_two_axes(p):
    return (error(p) ** 2).mean(keepdims=True)


def loud(p):
    value = (error(p) ** 2).mean()
    print(f"loss {value:.4f}, {value}, {value!r:>8}")
    return value


def changing(p):
    """It works on its parameters in place."""
    p["w"] *= 1.0
    z = X @ p["w"]
    z += p["b"]
    p["w"][:] = 0.0
    z -= T
    z **= 2
    return z.mean()


class Cache:
    """A value that is computed once, as a memo by identity or a lazily scaled data set is."""

    data: np.ndarray | None = None


def lazy(p):
    if Cache.data is None:
        Cache.data = X.copy()
    return ((Cache.data @ p["w"] + p["b"] - T) ** 2).mean()


history: list[float] = []


def keeping(p):
    value = square(p)
    history.append(value)
    return value


def until_it_settles(p):
    z, previous = error(p) ** 2, None
    total, count = 0.0, 0
    while previous is None or count < len(z):
        previous, total = total, total + z[count, 0]
        count += 1
    return total / count


def over_samples(p):
    total = 0.0
    for x, t in zip(X, T, strict=True):
        e = float(sum(a * b for a, b in zip(x, p["w"][:, 0], strict=True)) + p["b"][0] - t[0])
        total += e * e
    return total / len(X)


def in_python(p):
    w = p["w"].tolist()
    total = 0.0
    for x, t in zip(X.tolist(), T.tolist(), strict=True):
        total += math.pow(sum(a * b[0] for a, b in zip(x, w, strict=True)) + p["b"].tolist()[0] - t[0], 2)
    return total / len(X)


RIGHT = {
    "plain": square,
    "a buffer in float32": float32_buffer,
    "float32 throughout": float32_throughout,
    "rounded to float32, unrecorded": float32_unrecorded,
    "rounded to nine digits": rounded(9),
    "shape (1, 1)": by_two_axes,
    "shape (1, 1), recorded": recorded_by_two_axes,
    "prints": loud,
    "changes its parameters": changing,
    "a cache": lazy,
    "keeps a history": keeping,
    "a while loop": until_it_settles,
    "a loop over samples, with float()": over_samples,
    "Python's own numbers": in_python,
}
UNTOLD = {
    "rounded to two digits": rounded(1),
    "whole numbers": whole_numbers,
    "the clock": lambda p: square(p) + 1e-3 * (time.perf_counter_ns() % 1000),
    "an unseeded generator": lambda p: square(p) + np.random.default_rng().normal(),
    "counts its calls": lambda p: square(p) * (1 + len(history.append(0.0) or history)),
    "NaN": lambda p: square(p) * math.nan,
    "a constant": lambda p: 1.0,
}
WRONG = {
    "sign": lambda p: {name: -value for name, value in grads(p).items()},
    "constant-factor": lambda p: {name: 2 * value for name, value in grads(p).items()},
    "batch-factor": lambda p: {name: 20 * value for name, value in grads(p).items()},
    "zero-gradient": lambda p: {**grads(p), "b": np.zeros(1)},
}


@pytest.mark.parametrize("name", RIGHT)
def test_right_gradients_of_an_odd_loss(name):
    report = check.backward(RIGHT[name], grads, PARAMS)
    assert report.status == "right", report


@pytest.mark.parametrize("mistake", WRONG)
@pytest.mark.parametrize("name", RIGHT)
def test_wrong_gradients_of_an_odd_loss(name, mistake):
    report = check.backward(RIGHT[name], WRONG[mistake], PARAMS)
    assert report.status == "wrong", report
    names = {diagnosis.mistake for diagnosis in report.diagnoses.values()}
    assert mistake in names
    assert names <= ({mistake, "unknown"} if "unrecorded" in name else {mistake})  # a single number, known to 1e-3


@pytest.mark.parametrize("given", [grads, *WRONG.values()])
@pytest.mark.parametrize("name", UNTOLD)
def test_what_cannot_be_told(name, given):
    report = check.backward(UNTOLD[name], given, PARAMS)
    assert report.status == "inconclusive", report
    assert report.notes


def test_a_loss_in_float16():
    assert check.backward(float16_sum, grads, PARAMS).status in ("right", "inconclusive")
    assert check.backward(float16_sum, WRONG["sign"], PARAMS).status == "wrong"


GENERATOR = np.random.default_rng(5)
STREAMS = {
    "random": (lambda: random.seed(0), lambda: np.array([random.random() for _ in range(20)])[:, None]),
    "numpy.random": (lambda: np.random.seed(0), lambda: np.random.rand(20, 1)),  # noqa: NPY002
    "a generator": (lambda: None, lambda: GENERATOR.random((20, 1))),
}


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("factor", [1.0, -1.0])
def test_a_mask_that_is_drawn_inside(stream, factor):
    """Each call draws the same numbers, whichever stream they are from, and the stream goes on as if none had been."""
    start, draw = STREAMS[stream]
    start()

    def masked(p):
        return (draw() * error(p) ** 2).mean()

    def by_hand(p):
        d = factor * 2 * draw() * error(p) / len(T)
        return {"w": X.T @ d, "b": d.sum(axis=0)}

    before = random.getstate()
    report = check.backward(masked, by_hand, PARAMS)
    assert report.status == ("right" if factor == 1.0 else "wrong"), report
    assert random.getstate() == before


# Parameters in other forms ------------------------------------------------------------------------------------------


def error_of(p):
    w, b = p
    return X @ w + b - T


def listed(p):
    return (error_of(p) ** 2).mean()


def by_layers(p):
    h = np.tanh(X @ p[0]["w"] + p[0]["b"])
    return ((h @ p[1]["w"] + p[1]["b"] - T) ** 2).mean()


def by_layers_backward(p, factor=1.0):
    h = np.tanh(X @ p[0]["w"] + p[0]["b"])
    d = 2 * (h @ p[1]["w"] + p[1]["b"] - T) / len(T)
    dz = factor * d @ p[1]["w"].T * (1 - h**2)
    return [{"w": X.T @ dz, "b": dz.sum(0)}, {"w": h.T @ d, "b": d.sum(0)}]


LAYERS = [
    {"w": rng.normal(size=(4, 3)), "b": np.zeros(3)},
    {"w": rng.normal(size=(3, 1)), "b": np.zeros(1)},
]


@pytest.mark.parametrize("kind", [list, tuple])
def test_a_list_of_arrays(kind):
    params = kind(value.copy() for value in PARAMS.values())
    report = check.backward(listed, lambda p: kind(grads(dict(zip("wb", p, strict=True))).values()), params)
    assert report.ok, report
    assert list(report.tensors) == ["0", "1"]
    wrong = check.backward(listed, lambda p: [-X.T @ (2 * error_of(p) / 20), (2 * error_of(p) / 20).sum(0)], params)
    assert {name: diagnosis.mistake for name, diagnosis in wrong.diagnoses.items()} == {"0": "sign"}
    assert params[0].tolist() == PARAMS["w"].tolist()


def test_a_list_of_gradients_at_one_point():
    params = list(PARAMS.values())
    assert check.backward(listed, list(grads(PARAMS).values()), params).ok


def test_a_list_of_dicts():
    assert check.backward(by_layers, by_layers_backward, LAYERS).ok
    report = check.backward(by_layers, lambda p: by_layers_backward(p, -1.0), LAYERS)
    assert {name: diagnosis.mistake for name, diagnosis in report.diagnoses.items()} == {
        "[0].w": "sign",
        "[0].b": "sign",
    }


def test_one_array():
    params = PARAMS["w"]
    mean_square = lambda w: ((X @ w - T) ** 2).mean()  # noqa: E731
    assert check.backward(mean_square, lambda w: 2 * X.T @ (X @ w - T) / 20, params).ok
    report = check.backward(mean_square, lambda w: -2 * X.T @ (X @ w - T) / 20, params)
    assert report.diagnoses["params"].mistake == "sign"


def test_a_list_that_is_too_short():
    report = check.backward(listed, lambda p: [p[0]], list(PARAMS.values()))
    assert report.status == "inconclusive"
    assert "list of 1 where list of 2 is expected" in report.notes[0]


def test_biases_of_another_number_of_axes():
    """`b -= lr * db` broadcasts (n,) to (1, n): what numbers it holds decides."""
    params = {"w": PARAMS["w"], "b": PARAMS["b"].reshape(1, 1)}
    assert check.backward(square, lambda p: {**grads(p), "b": grads(p)["b"].reshape(1)}, params).ok


# Kinks and guards ---------------------------------------------------------------------------------------------------


def test_gradients_at_a_kink_are_not_held_against_it():
    """Weights of 0 before a rectifier, and the gradients of that one point."""
    params = {"w": np.zeros((4, 3)), "v": np.ones((3, 1))}

    def kinked(p):
        return ((np.maximum(X @ p["w"], 0) @ p["v"] - T) ** 2).mean()

    d = -2 * T / len(T)
    flat = {"w": np.zeros((4, 3)), "v": np.zeros((3, 1))}
    assert check.backward(kinked, flat, params).status in ("right", "inconclusive")
    through = {"w": X.T @ (d @ params["v"].T), "v": np.zeros((3, 1))}
    assert check.backward(kinked, through, params).status in ("right", "inconclusive")


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


GUARDS = {
    "added": lambda p: np.log(p + 1e-7),
    "clipped": lambda p: np.log(np.clip(p, 1e-7, 1 - 1e-7)),
    "maximum": lambda p: np.log(np.maximum(p, 1e-7)),
    "minimum and maximum": lambda p: np.log(np.minimum(np.maximum(p, 1e-7), 1 - 1e-7)),
    "1e-15": lambda p: np.log(p + 1e-15),
    "none": np.log,
}


@pytest.mark.parametrize("guard", GUARDS)
@pytest.mark.parametrize("scale", [1.0, 4.0])
def test_guards_are_left_out_of_the_verdict(guard, scale):
    log = GUARDS[guard]
    params = {"w": scale * PARAMS["w"], "b": np.array([[0.1]])}

    def entropy(p):
        a = sigmoid(X @ p["w"] + p["b"])
        return -np.mean(LABELS * log(a) + (1 - LABELS) * log(1 - a))

    def by_hand(p, factor=1.0):
        dz = (sigmoid(X @ p["w"] + p["b"]) - LABELS) / len(X)
        return {"w": factor * X.T @ dz, "b": dz.sum(axis=0, keepdims=True)}

    def guarded(p):
        a = sigmoid(X @ p["w"] + p["b"])
        da = -(LABELS / (a + 1e-8) - (1 - LABELS) / (1 - a + 1e-8)) / len(X)
        dz = da * a * (1 - a)
        return {"w": X.T @ dz, "b": dz.sum()}

    assert check.backward(entropy, by_hand, params).ok
    assert check.backward(entropy, guarded, params).ok
    report = check.backward(entropy, lambda p: by_hand(p, -1.0), params)
    assert {name: diagnosis.mistake for name, diagnosis in report.diagnoses.items()} == {"w": "sign"}


def clipped(bound, by_norm=False):
    def by_hand(p):
        given = grads(p)
        if not by_norm:
            return {name: np.clip(value, -bound, bound) for name, value in given.items()}
        size = math.sqrt(sum(float((value**2).sum()) for value in given.values()))
        return {name: value * min(1.0, bound / size) for name, value in given.items()}

    return by_hand


def test_clipping_is_named_where_it_is_tight_and_left_out_where_it_is_customary():
    report = check.backward(square, clipped(0.05), PARAMS)
    assert {diagnosis.mistake for diagnosis in report.diagnoses.values()} == {"clipped"}
    big = {"w": 3 + PARAMS["w"], "b": PARAMS["b"]}
    assert check.backward(square, clipped(1.0), big).ok
    assert check.backward(square, clipped(5.0), big).ok
