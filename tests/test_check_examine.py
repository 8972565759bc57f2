"""check.autopsy.examine: gradients known up to a factor, recordings that are ready, lines forward and backward."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pellucid.check.autopsy import examine
from pellucid.check.record.recording import recording

rng = np.random.default_rng(3)
N = 7
X, Y = rng.normal(size=(N, 3)), np.eye(4)[rng.integers(0, 4, N)]


def params():
    draw = np.random.default_rng(1)
    return {
        "W1": draw.normal(size=(3, 5)),
        "b1": draw.normal(size=5) * 0.1,
        "W2": draw.normal(size=(5, 5)),
        "b2": draw.normal(size=5) * 0.1,
        "W3": draw.normal(size=(5, 4)),
        "b3": draw.normal(size=4) * 0.1,
    }


def forward(p):
    z1 = X @ p["W1"] + p["b1"]
    h1 = np.tanh(z1)
    z2 = h1 @ p["W2"] + p["b2"]
    h2 = np.maximum(z2, 0)
    e = np.exp(h2 @ p["W3"] + p["b3"])
    return z1, h1, z2, h2, e / e.sum(axis=1, keepdims=True)


def loss(p):
    return -np.mean(np.sum(Y * np.log(forward(p)[-1]), axis=1))


def grads(p, fault=""):
    _, h1, z2, h2, a = forward(p)
    dz3 = (a - Y) / N
    dW3, db3 = h2.T @ dz3, dz3.sum(axis=0)
    dh2 = dz3 @ p["W3"].T
    dz2 = dh2 * (z2 > 0)
    if fault == "mask":
        dz2 = dh2 * (z2 < 0)
    dW2, db2 = h1.T @ dz2, dz2.sum(axis=0)
    dh1 = dz2 @ (p["W2"] if "transpose" in fault else p["W2"].T)
    dz1 = dh1 if "tanh" in fault else dh1 * (1 - h1**2)
    if "twice" in fault:
        dz1 = 2 * dz1
    dW1, db1 = X.T @ dz1, dz1.sum(axis=0)
    return {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2, "W3": dW3, "b3": db3}


def scaled(given, factor):
    return {name: factor * value for name, value in given.items()}


def found(report):
    return {finding.tensor: finding.mistake for finding in report.findings}


@pytest.mark.parametrize("factor", [1e-4, 0.01, 3.7])
def test_right_gradients_are_right_up_to_a_factor(factor):
    report = examine(loss, params(), scaled(grads(params()), factor), scale="free")
    assert report.ok
    assert report.scale == pytest.approx(factor)
    assert examine(loss, params(), scaled(grads(params()), factor), scale=factor).ok
    assert examine(loss, params(), scaled(grads(params()), factor)).status == "wrong"


@pytest.mark.parametrize(
    ("fault", "mistake", "tensors", "line"),
    [
        ("mask", "wrong-mask", {"W1", "b1", "W2", "b2"}, "np.maximum(z2, 0)"),
        ("transpose", "transpose", {"W1", "b1"}, 'h1 @ p["W2"]'),
        ("tanh", "missing-activation-derivative", {"W1", "b1"}, "np.tanh(z1)"),
    ],
)
@pytest.mark.parametrize("scale", [None, 0.05, "free"])
def test_a_mistake_is_named_at_any_scale(fault, mistake, tensors, line, scale):
    factor = 1.0 if scale is None else 0.05
    report = examine(loss, params(), scaled(grads(params(), fault), factor), scale=scale)
    assert found(report) == dict.fromkeys(tensors, mistake)
    assert all(finding.confidence > 0.7 for finding in report.findings)
    site = report.findings[0].forward
    assert site is not None
    assert line in Path(site.file).read_text().splitlines()[site.line - 1]


def test_two_mistakes_on_one_path():
    report = examine(loss, params(), grads(params(), "transpose tanh"))
    assert found(report) == dict.fromkeys(("W1", "b1"), "transpose")
    assert "second mistake: The gradient passes tanh" in report.findings[0].text
    assert report.findings[0].second == "missing-activation-derivative"
    then = report.findings[0].then
    assert then is not None and then.forward is not None
    assert then.text.startswith("The gradient passes tanh")
    assert "np.tanh(z1)" in Path(then.forward.file).read_text().splitlines()[then.forward.line - 1]
    report = examine(loss, params(), grads(params(), "tanh twice"))
    assert set(found(report).values()) <= {"constant-factor", "missing-activation-derivative"}


def test_one_sign_for_all_is_a_sign():
    report = examine(loss, params(), scaled(grads(params()), -0.1), scale="free")
    assert set(found(report).values()) == {"sign"}
    assert report.scale == pytest.approx(0.1)


def test_all_tensors_wrong_and_the_scale_unknown():
    """The only path is wrong, so no tensor says what the factor is: the mistake does."""

    def one_layer(p):
        return np.mean((np.tanh(X @ p["w"]) - Y) ** 2)

    w = {"w": np.random.default_rng(5).normal(size=(3, 4))}
    error = 2 * (np.tanh(X @ w["w"]) - Y) / Y.size
    report = examine(one_layer, w, {"w": 0.3 * X.T @ error}, scale="free")
    assert found(report) == {"w": "missing-activation-derivative"}
    assert report.scale == pytest.approx(0.3)


def test_a_derivative_that_is_taken_without_the_bias():
    rng = np.random.default_rng(6)
    p = {"w": rng.normal(size=(3, 4)), "b": rng.normal(size=4), "v": rng.normal(size=(4, 4)), "c": np.zeros(4)}

    def two_layers(p):
        z = X @ p["w"]
        return np.mean((np.tanh(z + p["b"]) @ p["v"] + p["c"] - Y) ** 2)

    h = np.tanh(X @ p["w"] + p["b"])
    d = 2 * (h @ p["v"] + p["c"] - Y) / Y.size
    dz = d @ p["v"].T * (1 - np.tanh(X @ p["w"]) ** 2)
    report = examine(two_layers, p, {"w": X.T @ dz, "b": dz.sum(0), "v": h.T @ d, "c": d.sum(0)})
    assert found(report) == dict.fromkeys(("w", "b"), "derivative-at-wrong-point")


def test_weights_that_were_updated_before_they_were_used():
    p, lr = params(), 0.5
    given = grads(p)
    new = {name: p[name] - lr * given[name] for name in p}
    _, h1, z2, _, a = forward(p)
    dz2 = ((a - Y) / N) @ new["W3"].T * (z2 > 0)
    dz1 = dz2 @ new["W2"].T * (1 - h1**2)
    given |= {"W2": h1.T @ dz2, "b2": dz2.sum(0), "W1": X.T @ dz1, "b1": dz1.sum(0)}
    report = examine(loss, p, scaled(given, lr), scale=lr, updated=new)
    assert set(found(report).values()) == {"updated-too-early"}


def test_gradients_that_were_clipped():
    p = params()
    given = grads(p)
    bound = 0.5 * np.abs(given["W2"]).max()
    report = examine(loss, p, {**given, "W2": np.clip(given["W2"], -bound, bound)})
    assert found(report) == {"W2": "clipped"}
    same = np.sign(given["W2"]) * 0.5 * np.abs(given["W2"]).min()
    report = examine(loss, p, {**given, "W2": same})  # one size for all: none of them lies within a bound
    assert "W2" in found(report) and found(report)["W2"] != "clipped"


def test_a_guard_that_the_formula_leaves_out_is_no_mistake():
    def guarded(p):
        return -np.mean(np.sum(Y * np.log(forward(p)[-1] + 1e-5), axis=1))

    report = examine(guarded, params(), grads(params()))
    assert report.ok
    assert "without the small number" in report.notes[0]
    wrong = examine(guarded, params(), grads(params(), "tanh"))
    assert found(wrong) == dict.fromkeys(("W1", "b1"), "missing-activation-derivative")


def test_a_recording_of_a_whole_pass_tells_the_line_of_the_backward_pass():
    p = params()
    with recording(forward) as recorder:
        traced = {name: recorder.parameter(name, value) for name, value in p.items()}
        _, h1, z2, h2, a = forward(traced)
        value = -np.mean(np.sum(Y * np.log(a), axis=1))
        dz3 = (a - Y) / N
        dh2 = dz3 @ traced["W3"].T
        dz2 = dh2 * (z2 > 0)
        dh1 = dz2 @ traced["W2"].T
        dW1 = X.T @ dh1
        recorder.tape.result = recorder.node(value)
        given = {"W1": dW1, "b1": dh1.sum(0), "W2": h1.T @ dz2, "b2": dz2.sum(0), "W3": h2.T @ dz3, "b3": dz3.sum(0)}
    report = examine(recorder.tape, p, given)
    assert found(report) == dict.fromkeys(("W1", "b1"), "missing-activation-derivative")
    assert report.findings[0].backward is not None
    text = Path(__file__).read_text().splitlines()
    assert "dh1 = dz2 @" in text[report.findings[0].backward.line - 1]
    assert "np.tanh(z1)" in text[report.findings[0].forward.line - 1]


def test_a_loss_that_cannot_be_recorded_needs_the_truth():
    def silent(p):
        return float(f"{float(loss(p)):.12f}")

    assert examine(silent, params(), grads(params())).status == "inconclusive"
    assert examine(silent, params(), grads(params()), truth=grads(params())).ok
    report = examine(silent, params(), scaled(grads(params()), -1.0), truth=grads(params()))
    assert set(found(report).values()) == {"sign"}


def test_an_earlier_gradient_that_is_still_in():
    p, q = params(), {name: value + 0.1 for name, value in params().items()}
    given = {name: grads(p)[name] + grads(q)[name] for name in p}
    report = examine(loss, p, scaled(given, 0.1), scale=0.1, earlier=[(q, scaled(grads(q), 0.1))])
    assert set(found(report).values()) == {"accumulated"}


def test_weights_have_no_last_sample():
    """The error of the output in the place of the hidden layer's is that of the last unit times a number."""
    rng = np.random.default_rng(0)
    w0, w1, x, y = rng.normal(size=(2, 2)), rng.normal(size=(1, 2)), np.array([[0.3], [1.0]]), np.array([[1.0]])
    with recording() as recorder:
        a, b = recorder.parameter("w0", w0), recorder.parameter("w1", w1)
        hidden = 1 / (1 + np.exp(-(a @ x)))
        output = 1 / (1 + np.exp(-(b @ hidden)))
        recorder.tape.result = recorder.node(((output - y) ** 2).sum() / 2)
    h, o = (np.asarray(value.value if hasattr(value, "value") else value, dtype=float) for value in (hidden, output))
    given = {"w1": (o - y) * o * (1 - o) @ h.T, "w0": (o - y) * h * (1 - h) @ x.T}
    report = examine(recorder.tape, {"w0": w0, "w1": w1}, given, scale="free", sizes=[2], right=["w1"])
    told = [finding for finding in report.findings if finding.tensor == "w0"]
    assert "stale-value" not in {str(finding.mistake) for finding in told}
    assert not any("1/z" in finding.text for finding in told), "a step of the sigmoid, whose derivative nobody writes"
