"""Samples in columns: W X + b, dZ = A - Y, 1/m; binary cross-entropy."""

import numpy as np

np.random.seed(2)
m = 8
X = np.random.randn(4, m)
Y = (np.random.rand(1, m) > 0.5) * 1.0
params = {
    "W1": np.random.randn(4, 4) * 0.5,
    "b1": np.zeros((4, 1)),
    "W2": np.random.randn(4, 4) * 0.5,
    "b2": np.zeros((4, 1)),
    "W3": np.random.randn(1, 4) * 0.5,
    "b3": np.zeros((1, 1)),
}


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def relu(z):
    return np.maximum(z, 0)


def forward(params):
    W1, b1, W2, b2, W3, b3 = (params[k] for k in ("W1", "b1", "W2", "b2", "W3", "b3"))
    Z1 = W1 @ X + b1
    A1 = np.tanh(Z1)
    Z2 = np.dot(W2, A1) + b2
    A2 = relu(Z2)
    Z3 = np.dot(W3, A2) + b3
    A3 = sigmoid(Z3)
    return Z1, A1, Z2, A2, Z3, A3


def loss(params):
    A3 = np.clip(forward(params)[-1], 1e-10, 1 - 1e-10)
    logprobs = np.multiply(np.log(A3), Y) + np.multiply(np.log(1 - A3), 1 - Y)
    return np.squeeze(-1 / m * np.sum(logprobs))


def grads(params):
    Z1, A1, Z2, A2, Z3, A3 = forward(params)
    W2, W3 = params["W2"], params["W3"]
    dZ3 = A3 - Y
    dW3 = 1 / m * np.dot(dZ3, A2.T)
    db3 = 1 / m * np.sum(dZ3, axis=1, keepdims=True)
    dA2 = np.dot(W3.T, dZ3)
    dZ2 = np.array(dA2, copy=True)
    dZ2[Z2 <= 0] = 0
    dW2 = 1 / m * np.dot(dZ2, A1.T)
    db2 = 1 / m * np.sum(dZ2, axis=1, keepdims=True)
    dA1 = np.dot(W2.T, dZ2)
    dZ1 = np.multiply(dA1, 1 - np.power(A1, 2))
    dW1 = 1 / m * np.dot(dZ1, X.T)
    db1 = 1 / m * np.sum(dZ1, axis=1, keepdims=True)
    return {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2, "W3": dW3, "b3": db3}


# ruff: noqa: NPY002, RUF059 (as learners write)
PLANTED = [
    ("constant-factor", "dZ3 = A3 - Y", "dZ3 = 2 * (A3 - Y)"),
    ("constant-factor", "dW1 = 1 / m", "dW1 = 0.5 / m"),
    ("batch-factor", "dW3 = 1 / m * np", "dW3 = np"),
    ("batch-factor", "db1 = 1 / m * np", "db1 = np"),
    ("batch-factor", "dZ3 = A3 - Y", "dZ3 = (A3 - Y) / m"),
    ("sign", "dZ3 = A3 - Y", "dZ3 = Y - A3"),
    ("sign", "1 - np.power(A1, 2)", "np.power(A1, 2) - 1"),
    ("transpose", "dA1 = np.dot(W2.T, dZ2)", "dA1 = np.dot(W2, dZ2)"),
    ("transpose", "dW2 = 1 / m * np.dot(dZ2, A1.T)", "dW2 = 1 / m * np.dot(A1, dZ2.T)"),
    ("transpose", "dW1 = 1 / m * np.dot(dZ1, X.T)", "dW1 = 1 / m * np.dot(dZ1, X.T).T"),
    ("missing-broadcast-sum", "db2 = 1 / m * np.sum(dZ2, axis=1, keepdims=True)", "db2 = 1 / m * dZ2"),
    ("missing-broadcast-sum", "db2 = 1 / m * np.sum(dZ2, axis=1, keepdims=True)", "db2 = 1 / m * np.sum(dZ2)"),
    ("missing-activation-derivative", "    dZ2[Z2 <= 0] = 0\n", ""),
    ("missing-activation-derivative", "dZ1 = np.multiply(dA1, 1 - np.power(A1, 2))", "dZ1 = dA1"),
    ("derivative-at-wrong-point", "1 - np.power(A1, 2)", "1 - np.power(Z1, 2)"),
    ("derivative-at-wrong-point", "1 - np.power(A1, 2)", "1 - np.tanh(A1) ** 2"),
    ("wrong-mask", "dZ2[Z2 <= 0]", "dZ2[Z1 <= 0]"),
    ("wrong-mask", "dZ2[Z2 <= 0]", "dZ2[Z2 > 0]"),
    ("wrong-mask", "dZ2[Z2 <= 0]", "dZ2[dA2 <= 0]"),
    ("zero-gradient", '"W1": dW1', '"W1": np.zeros((4, 4))'),
    ("zero-gradient", "dZ2[Z2 <= 0]", "dZ2[Z2 <= 100]"),
    ("stale-value", "np.dot(dZ2, A1.T)", "np.dot(dZ2, X.T)"),
    ("stale-value", "np.dot(dZ3, A2.T)", "np.dot(dZ3, A1.T)"),
    ("swapped-tensors", '"W1": dW1, "b1": db1, "W2": dW2', '"W1": dW2, "b1": db1, "W2": dW1'),
    ("swapped-tensors", '"b1": db1, "W2": dW2, "b2": db2', '"b1": db2, "W2": dW2, "b2": db1'),
    ("missing-step", "dW2 = 1 / m * np.dot(dZ2, A1.T)", "dW2 = 1 / m * np.dot(dZ2[:, 1:], A1[:, 1:].T)"),
    ("missing-step", "dW2 = 1 / m * np.dot(dZ2, A1.T)", "dW2 = 1 / m * np.dot(dZ2[:, 1:], A1[:, :-1].T)"),
    (
        "accumulated",
        "    dW2 = 1 / m * np.dot(dZ2, A1.T)",
        '    dW2 = past["W2"] = past.get("W2", 0) + 1 / m * np.dot(dZ2, A1.T)',
        "def grads",
        "past = {}\n\n\ndef grads",
    ),
    (
        "clipped",
        'return {"W1": dW1,',
        'dW1, dW2 = np.clip(dW1, -0.02, 0.02), np.clip(dW2, -0.02, 0.02)\n    return {"W1": dW1,',
    ),
    (
        "wrong-loss",
        "return np.squeeze(-1 / m * np.sum(logprobs))",
        "return np.mean((A3 - Y) ** 2) + 0 * np.sum(logprobs)",
    ),
    ("updated-too-early", "    dA2 = np.dot(W3.T, dZ3)", "    W3 -= 0.9 * dW3\n    dA2 = np.dot(W3.T, dZ3)"),
    ("updated-too-early", "    dA1 = np.dot(W2.T, dZ2)", "    W2 -= 0.9 * dW2\n    dA1 = np.dot(W2.T, dZ2)"),
    ("outer-product", "dW2 = 1 / m * np.dot(dZ2, A1.T)", "dW2 = 1 / m * np.outer(dZ2.sum(axis=1), A1.sum(axis=1))"),
]
