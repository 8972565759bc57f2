"""Softmax regression with one-hot targets and L2 regularisation."""

import numpy as np

rng = np.random.default_rng(0)
N, D, C = 12, 4, 4
X = rng.normal(size=(N, D))
labels = rng.integers(0, C, size=N)
Y = np.zeros((N, C))
Y[np.arange(N), labels] = 1
reg = 0.1

params = {"W": rng.normal(size=(D, C)) * 0.5, "b": np.zeros(C)}


def softmax(scores):
    exps = np.exp(scores - np.max(scores, axis=1, keepdims=True))
    return exps / np.sum(exps, axis=1, keepdims=True)


def loss(params):
    P = softmax(X.dot(params["W"]) + params["b"])
    data_loss = -np.sum(Y * np.log(P + 1e-12)) / N
    return data_loss + 0.5 * reg * np.sum(params["W"] ** 2)


def grads(params):
    P = softmax(X.dot(params["W"]) + params["b"])
    dscores = (P - Y) / N
    dW = X.T.dot(dscores)
    dW += reg * params["W"]
    db = np.sum(dscores, axis=0)
    return {"W": dW, "b": db}


PLANTED = [
    ("constant-factor", "(P - Y) / N", "2 * (P - Y) / N"),
    ("constant-factor", 'reg * params["W"]\n    db', '2 * reg * params["W"]\n    db'),
    ("batch-factor", "dscores = (P - Y) / N", "dscores = P - Y"),
    ("batch-factor", "X.T.dot(dscores)", "X.T.dot(dscores) / N"),
    ("sign", "(P - Y) / N", "(Y - P) / N"),
    ("sign", "dW += reg", "dW -= reg"),
    ("transpose", "dW = X.T.dot(dscores)", "dW = dscores.T.dot(X)"),
    ("missing-broadcast-sum", "db = np.sum(dscores, axis=0)", "db = dscores"),
    ("missing-broadcast-sum", "np.sum(dscores, axis=0)", "dscores[0]"),
    (
        "softmax-wrong-axis",
        '    P = softmax(X.dot(params["W"]) + params["b"])\n    dscores',
        '    S = X.dot(params["W"]) + params["b"]\n    P = np.exp(S) / np.exp(S).sum(axis=0)\n    dscores',
    ),
    (
        "softmax-wrong-axis",
        '    P = softmax(X.dot(params["W"]) + params["b"])\n    dscores',
        '    S = np.exp(X.dot(params["W"]) + params["b"])\n    P = S / np.sum(S)\n    dscores',
    ),
    ("zero-gradient", "db = np.sum(dscores, axis=0)", "db = np.zeros(C)"),
    ("zero-gradient", '{"W": dW, "b": db}', '{"W": dW}'),
    ("dropped-term", '    dW += reg * params["W"]\n', ""),
    ("missing-step", "dW = X.T.dot(dscores)", "dW = X[1:].T.dot(dscores[1:])"),
    (
        "accumulated",
        '    dW = X.T.dot(dscores)\n    dW += reg * params["W"]',
        '    dW = X.T.dot(dscores)\n    dW += reg * params["W"]\n    total[0] = total[0] + dW\n    dW = total[0]',
        "def grads",
        "total = [0]\n\n\ndef grads",
    ),
    (
        "stale-value",
        '    P = softmax(X.dot(params["W"]) + params["b"])\n    dscores',
        '    P = softmax(X.dot(W0) + params["b"])\n    dscores',
        "def softmax",
        'W0 = params["W"].copy()\n\n\ndef softmax',
    ),
    ("clipped", 'return {"W": dW, "b": db}', 'return {"W": np.clip(dW, -0.05, 0.05), "b": np.clip(db, -0.05, 0.05)}'),
    ("wrong-loss", "data_loss = -np.sum(Y * np.log(P + 1e-12)) / N", "data_loss = np.sum((P - Y) ** 2) / N"),
    ("outer-product", "dW = X.T.dot(dscores)", "dW = np.outer(X.sum(axis=0), dscores.sum(axis=0))"),
    ("outer-product", "dW = X.T.dot(dscores)", "dW = np.sum(X * dscores)"),
]
