"""Logistic regression with one hidden layer, one sample and one number at a time."""

import math

import numpy as np

rng = np.random.default_rng(9)
n, d, h = 6, 3, 4
X = rng.normal(size=(n, d))
y = [0, 1, 1, 0, 1, 0]
params = {
    "W": rng.normal(size=(h, d)) * 0.7,
    "b": rng.normal(size=h) * 0.2,
    "v": rng.normal(size=h),
    "c": np.array(0.1),
}


def sigmoid(z):
    return 1 / (1 + math.exp(-z))


def predict(params, s):
    hidden = []
    for j in range(h):
        z = params["b"][j]
        for k in range(d):
            z += params["W"][j, k] * X[s, k]
        hidden.append(math.tanh(z))
    out = params["c"]
    for j in range(h):
        out = out + params["v"][j] * hidden[j]
    return hidden, sigmoid(out)


def loss(params):
    total = 0.0
    for s in range(n):
        _, p = predict(params, s)
        total += -math.log(p) if y[s] == 1 else -math.log(1 - p)
    return total / n


def grads(params):
    g = {name: np.zeros_like(value) for name, value in params.items()}
    for s in range(n):
        hidden, p = predict(params, s)
        dout = (p - y[s]) / n
        g["c"] += dout
        for j in range(h):
            g["v"][j] += dout * hidden[j]
            dhidden = dout * params["v"][j]
            dz = dhidden * (1 - hidden[j] ** 2)
            g["b"][j] += dz
            for k in range(d):
                g["W"][j, k] += dz * X[s, k]
    return g


PLANTED = [
    ("constant-factor", "dout = (p - y[s]) / n", "dout = 2 * (p - y[s]) / n"),
    ("batch-factor", "dout = (p - y[s]) / n", "dout = p - y[s]"),
    ("sign", "dout = (p - y[s]) / n", "dout = (y[s] - p) / n"),
    ("missing-activation-derivative", "dz = dhidden * (1 - hidden[j] ** 2)", "dz = dhidden"),
    ("derivative-at-wrong-point", "(1 - hidden[j] ** 2)", "(1 - math.tanh(hidden[j]) ** 2)"),
    ("zero-gradient", '            g["b"][j] += dz\n', ""),
    ("missing-step", "    for s in range(n):\n        hidden", "    for s in range(n - 1):\n        hidden"),
    (
        "missing-step",
        "            for k in range(d):\n                g",
        "            for k in range(d - 1):\n                g",
    ),
    ("missing-broadcast-sum|missing-step", 'g["b"][j] += dz', 'g["b"][j] = dz'),
    ("swapped-tensors", "    return g", '    g["b"], g["v"] = g["v"], g["b"]\n    return g'),
    (
        "accumulated",
        "    g = {name: np.zeros_like(value) for name, value in params.items()}\n",
        "    g = G\n",
        "def grads",
        "G = {name: np.zeros_like(value) for name, value in params.items()}\n\n\ndef grads",
    ),
    ("dropped-term", "dout = (p - y[s]) / n", "dout = p / n"),
]
