"""A multi-layer perceptron of any depth: lists of weights, loops forward and backward."""

import numpy as np

np.random.seed(1)
sizes = [5, 6, 6, 6, 3]
n_layers = len(sizes) - 1
x = np.random.randn(10, sizes[0])
y = np.eye(3)[np.random.randint(0, 3, 10)]

params = {}
for i in range(n_layers):
    params[f"W{i}"] = np.random.randn(sizes[i], sizes[i + 1]) * np.sqrt(1 / sizes[i])
    params[f"b{i}"] = np.random.randn(sizes[i + 1]) * 0.1


def forward(params):
    weights = [params[f"W{i}"] for i in range(n_layers)]
    biases = [params[f"b{i}"] for i in range(n_layers)]
    zs, activations = [], [x]
    for i in range(n_layers):
        z = activations[-1] @ weights[i] + biases[i]
        zs.append(z)
        if i < n_layers - 1:
            activations.append(np.tanh(z))
    e = np.exp(zs[-1] - zs[-1].max(1, keepdims=True))
    activations.append(e / e.sum(1, keepdims=True))
    return zs, activations


def loss(params):
    zs, activations = forward(params)
    return -np.mean(np.sum(y * np.log(activations[-1]), axis=1))


def grads(params):
    zs, activations = forward(params)
    g = {}
    delta = (activations[-1] - y) / len(x)
    for i in reversed(range(n_layers)):
        g[f"W{i}"] = activations[i].T @ delta
        g[f"b{i}"] = delta.sum(axis=0)
        if i > 0:
            delta = delta @ params[f"W{i}"].T
            delta = delta * (1 - activations[i] ** 2)
    return g


# ruff: noqa: NPY002, RUF059 (as learners write)
PLANTED = [
    ("constant-factor", "delta = (activations[-1] - y) / len(x)", "delta = 2 * (activations[-1] - y) / len(x)"),
    ("constant-factor", "delta * (1 - activations[i] ** 2)", "0.5 * delta * (1 - activations[i] ** 2)"),
    ("batch-factor", "(activations[-1] - y) / len(x)", "activations[-1] - y"),
    ("batch-factor", "activations[i].T @ delta", "activations[i].T @ delta / len(x)"),
    ("batch-factor", "delta.sum(axis=0)", "delta.sum(axis=0) * len(x)"),
    ("sign", "(activations[-1] - y) / len(x)", "(y - activations[-1]) / len(x)"),
    ("sign", '        g[f"b{i}"] = delta.sum(axis=0)', '        g[f"b{i}"] = -delta.sum(axis=0)'),
    (
        "transpose",
        'delta = delta @ params[f"W{i}"].T',
        'W = params[f"W{i}"]\n            delta = delta @ (W if W.shape[0] == W.shape[1] else W.T)',
    ),
    ("transpose", "    return g", '    g["W1"] = g["W1"].T\n    return g'),
    ("missing-broadcast-sum", "delta.sum(axis=0)", "delta"),
    ("missing-broadcast-sum", "delta.sum(axis=0)", "delta[-1]"),
    ("missing-activation-derivative", "            delta = delta * (1 - activations[i] ** 2)\n", ""),
    (
        "missing-activation-derivative",
        "delta * (1 - activations[i] ** 2)",
        "delta * (1 - activations[i] ** 2) if i != 1 else delta",
    ),
    ("derivative-at-wrong-point", "1 - activations[i] ** 2", "1 - np.tanh(activations[i]) ** 2"),
    ("derivative-at-wrong-point", "1 - activations[i] ** 2", "1 - zs[i - 1] ** 2"),
    (
        "softmax-wrong-axis",
        "    delta = (activations[-1] - y) / len(x)",
        "    e = np.exp(zs[-1])\n    delta = (e / e.sum(0) - y) / len(x)",
    ),
    (
        "zero-gradient",
        "if i > 0:",
        "if i > 1:",
        "    g = {}",
        "    g = {k: np.zeros_like(v) for k, v in params.items()}",
        "in reversed(range(n_layers))",
        "in reversed(range(1, n_layers))",
    ),
    ("zero-gradient", "    return g", '    g["b2"] *= 0\n    return g'),
    ("stale-value", "1 - activations[i] ** 2", "1 - activations[1] ** 2"),
    ("stale-value", "activations[i].T @ delta", "(activations[i] if i != 2 else activations[1]).T @ delta"),
    (
        "accumulated",
        "    g = {}\n",
        "    g = G\n",
        'g[f"W{i}"] = activations[i].T @ delta',
        'g[f"W{i}"] = g.get(f"W{i}", 0) + activations[i].T @ delta',
        "def grads",
        "G = {}\n\n\ndef grads",
    ),
    ("swapped-tensors", "    return g", '    g["W1"], g["W2"] = g["W2"], g["W1"]\n    return g'),
    ("swapped-tensors", "    return g", '    g["b0"], g["b1"] = g["b1"], g["b0"]\n    return g'),
    (
        "missing-step",
        "    delta = (activations[-1] - y) / len(x)",
        "    delta = (activations[-1] - y) / len(x)\n    delta[-1] = 0",
    ),
    ("clipped", "    return g", "    return {k: np.clip(v, -0.02, 0.02) for k, v in g.items()}"),
    (
        "wrong-loss",
        "np.mean(np.sum(y * np.log(activations[-1]), axis=1))",
        "np.mean(np.sum((y - activations[-1]) ** 2, axis=1))",
    ),
    ("wrong-loss", "return -np.mean(np.sum(y * np.log", "return np.mean(np.sum(y * np.log"),
    (
        "outer-product",
        'g[f"W{i}"] = activations[i].T @ delta',
        'g[f"W{i}"] = np.outer(activations[i].sum(axis=0), delta.sum(axis=0))',
    ),
    (
        "updated-too-early",
        '            delta = delta @ params[f"W{i}"].T',
        '            params[f"W{i}"] -= 0.5 * g[f"W{i}"]\n            delta = delta @ params[f"W{i}"].T',
    ),
    ("missing-broadcast-sum", "delta.sum(axis=0)", 'g[f"W{i}"].sum(axis=0)'),
    ("missing-broadcast-sum|zero-gradient", "delta.sum(axis=0)", "delta.sum()"),
    (
        "softmax-wrong-axis",
        "    e = np.exp(zs[-1] - zs[-1].max(1, keepdims=True))\n    activations.append(e / e.sum(1, keepdims=True))",
        "    e = np.exp(zs[-1] - zs[-1].max(0, keepdims=True))\n    activations.append(e / e.sum(0, keepdims=True))",
    ),
]
