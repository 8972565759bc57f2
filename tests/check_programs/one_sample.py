"""One sample at a time, as many write their first network: vectors, np.outer, sigmoid and its derivative by name."""

import numpy as np

np.random.seed(12)
n_in, n_hidden, n_out = 3, 3, 3
samples = [np.random.randn(n_in) for _ in range(7)]
answers = [np.random.rand(n_out) for _ in range(7)]

params = {
    "weights1": np.random.randn(n_in, n_hidden) * 0.8,
    "bias1": np.random.randn(n_hidden) * 0.1,
    "weights2": np.random.randn(n_hidden, n_out) * 0.8,
    "bias2": np.random.randn(n_out) * 0.1,
}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def sigmoid_derivative(x):
    return sigmoid(x) * (1 - sigmoid(x))


def forward(p, x):
    z1 = np.dot(x, p["weights1"]) + p["bias1"]
    a1 = sigmoid(z1)
    z2 = np.dot(a1, p["weights2"]) + p["bias2"]
    a2 = sigmoid(z2)
    return z1, a1, z2, a2


def loss(p):
    total = 0
    for x, y in zip(samples, answers, strict=True):
        error = forward(p, x)[-1] - y
        total += 0.5 * np.sum(error**2)
    return total


def grads(p):
    g = {name: np.zeros_like(value) for name, value in p.items()}
    for x, y in zip(samples, answers, strict=True):
        z1, a1, z2, a2 = forward(p, x)
        error = a2 - y
        delta2 = error * sigmoid_derivative(z2)
        g["weights2"] += np.outer(a1, delta2)
        g["bias2"] += delta2
        delta1 = np.dot(p["weights2"], delta2) * sigmoid_derivative(z1)
        g["weights1"] += np.outer(x, delta1)
        g["bias1"] += delta1
    return g


# ruff: noqa: NPY002 (as learners write)
PLANTED = [
    ("outer-product", "np.outer(a1, delta2)", "np.dot(a1, delta2)"),
    ("outer-product", "np.outer(x, delta1)", "x * delta1"),
    ("outer-product", "np.outer(x, delta1)", "np.dot(x, delta1)"),
    ("transpose", "np.outer(a1, delta2)", "np.outer(delta2, a1)"),
    ("transpose", 'np.dot(p["weights2"], delta2)', 'np.dot(p["weights2"].T, delta2)'),
    ("derivative-at-wrong-point", "sigmoid_derivative(z2)", "sigmoid_derivative(a2)"),
    ("derivative-at-wrong-point", "sigmoid_derivative(z2)", "sigmoid_derivative(error)"),
    ("derivative-at-wrong-point", "* sigmoid_derivative(z1)", "* sigmoid_derivative(a1)"),
    ("missing-activation-derivative", " * sigmoid_derivative(z2)", ""),
    ("missing-activation-derivative", " * sigmoid_derivative(z1)", ""),
    ("wrong-loss", "np.sum(error**2)", "np.sum(np.abs(error))"),
    ("wrong-loss", "error = a2 - y", "error = -(y / a2)"),
    ("sign", "error = a2 - y", "error = y - a2"),
    ("clipped", "    return g\n\n", "    return {name: np.clip(value, -0.1, 0.1) for name, value in g.items()}\n\n"),
    ("swapped-tensors", "    return g\n\n", '    g["bias1"], g["bias2"] = g["bias2"], g["bias1"]\n    return g\n\n'),
    (
        "updated-too-early",
        "        delta1 = np.dot",
        '        p["weights2"] -= 0.5 * np.outer(a1, delta2)\n        delta1 = np.dot',
        "samples = [np.random.randn(n_in) for _ in range(7)]\nanswers = [np.random.rand(n_out) for _ in range(7)]",
        "samples = [np.random.randn(n_in) for _ in range(1)]\nanswers = [np.random.rand(n_out) for _ in range(1)]",
    ),
    ("missing-broadcast-sum", 'g["bias1"] += delta1', 'g["bias1"] += np.sum(delta1)'),
    ("zero-gradient", '        g["bias1"] += delta1\n', ""),
]
