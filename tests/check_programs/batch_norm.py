"""Linear, batch normalisation step by step, ReLU, linear, softmax."""

import numpy as np

np.random.seed(4)
N, D, H, C = 7, 5, 6, 3
X = np.random.randn(N, D)
y = np.random.randint(C, size=N)
eps = 1e-5
params = {
    "W1": np.random.randn(D, H),
    "b1": np.random.randn(H) * 0.1,
    "gamma": 1 + 0.1 * np.random.randn(H),
    "beta": 0.1 * np.random.randn(H),
    "W2": np.random.randn(H, C),
    "b2": np.zeros(C),
}


def batchnorm_forward(x, gamma, beta):
    mu = 1 / N * np.sum(x, axis=0)
    xmu = x - mu
    sq = xmu**2
    var = 1 / N * np.sum(sq, axis=0)
    sqrtvar = np.sqrt(var + eps)
    ivar = 1 / sqrtvar
    xhat = xmu * ivar
    out = gamma * xhat + beta
    return out, (xhat, gamma, xmu, ivar, sqrtvar, var)


def batchnorm_backward(dout, cache):
    xhat, gamma, xmu, ivar, sqrtvar, var = cache
    dbeta = np.sum(dout, axis=0)
    dgamma = np.sum(dout * xhat, axis=0)
    dxhat = dout * gamma
    divar = np.sum(dxhat * xmu, axis=0)
    dxmu1 = dxhat * ivar
    dsqrtvar = -1 / (sqrtvar**2) * divar
    dvar = 0.5 * 1 / np.sqrt(var + eps) * dsqrtvar
    dsq = 1 / N * np.ones((N, H)) * dvar
    dxmu2 = 2 * xmu * dsq
    dx1 = dxmu1 + dxmu2
    dmu = -1 * np.sum(dxmu1 + dxmu2, axis=0)
    dx2 = 1 / N * np.ones((N, H)) * dmu
    dx = dx1 + dx2
    return dx, dgamma, dbeta


def loss_and_grads(p):
    a = X.dot(p["W1"]) + p["b1"]
    bn, cache = batchnorm_forward(a, p["gamma"], p["beta"])
    h = np.maximum(bn, 0)
    scores = h.dot(p["W2"]) + p["b2"]
    shifted = scores - np.max(scores, axis=1, keepdims=True)
    Z = np.sum(np.exp(shifted), axis=1, keepdims=True)
    log_probs = shifted - np.log(Z)
    probs = np.exp(log_probs)
    value = -np.sum(log_probs[np.arange(N), y]) / N

    dscores = probs.copy()
    dscores[np.arange(N), y] -= 1
    dscores /= N
    grads = {"W2": h.T.dot(dscores), "b2": dscores.sum(0)}
    dh = dscores.dot(p["W2"].T)
    dbn = dh * (bn > 0)
    da, grads["gamma"], grads["beta"] = batchnorm_backward(dbn, cache)
    grads["W1"] = X.T.dot(da)
    grads["b1"] = da.sum(axis=0)
    return value, grads


def loss(params):
    return loss_and_grads(params)[0]


def grads(params):
    return loss_and_grads(params)[1]


# ruff: noqa: E501, NPY002 (as learners write)
PLANTED = [
    ("constant-factor", "dxmu2 = 2 * xmu * dsq", "dxmu2 = xmu * dsq"),
    ("constant-factor", "dvar = 0.5 * 1 /", "dvar = 1 /"),
    ("batch-factor", "    dscores /= N\n", ""),
    ("batch-factor", "dsq = 1 / N * np", "dsq = np"),
    ("batch-factor", 'grads["W1"] = X.T.dot(da)', 'grads["W1"] = X.T.dot(da) / N'),
    ("sign", "dmu = -1 * np", "dmu = np"),
    ("sign", "dsqrtvar = -1 /", "dsqrtvar = 1 /"),
    (
        "sign",
        "    dscores[np.arange(N), y] -= 1\n    dscores /= N",
        "    dscores[np.arange(N), y] -= 1\n    dscores /= -N",
    ),
    ("missing-broadcast-sum", "dgamma = np.sum(dout * xhat, axis=0)", "dgamma = dout * xhat"),
    ("missing-broadcast-sum", "dbeta = np.sum(dout, axis=0)", "dbeta = np.sum(dout)"),
    ("missing-activation-derivative", "dbn = dh * (bn > 0)", "dbn = dh"),
    ("derivative-at-wrong-point", "dsqrtvar = -1 / (sqrtvar**2)", "dsqrtvar = -1 / (ivar**2)"),
    ("wrong-mask", "dh * (bn > 0)", "dh * (a > 0)"),
    ("wrong-mask", "dh * (bn > 0)", "dh * (dh > 0)"),
    (
        "softmax-wrong-axis",
        "    dscores = probs.copy()",
        "    dscores = np.exp(scores) / np.sum(np.exp(scores), axis=0)",
    ),
    ("softmax-wrong-axis", "    dscores = probs.copy()", "    dscores = np.exp(scores) / np.sum(np.exp(scores))"),
    ("zero-gradient", "dgamma = np.sum(dout * xhat, axis=0)", "dgamma = np.zeros_like(gamma)"),
    ("stale-value", "dgamma = np.sum(dout * xhat, axis=0)", "dgamma = np.sum(dout * xmu, axis=0)"),
    ("stale-value", "h.T.dot(dscores)", "bn.T.dot(dscores)"),
    (
        "stale-value",
        "dxhat = dout * gamma",
        "dxhat = dout * GAMMA",
        "def batchnorm_forward",
        'GAMMA = params["gamma"].copy()\n\n\ndef batchnorm_forward',
    ),
    ("swapped-tensors", "return dx, dgamma, dbeta", "return dx, dbeta, dgamma"),
    ("dropped-term", "dx = dx1 + dx2", "dx = dx1"),
    ("dropped-term", "dx1 = dxmu1 + dxmu2", "dx1 = dxmu1", "np.sum(dxmu1 + dxmu2, axis=0)", "np.sum(dxmu1, axis=0)"),
    ("dropped-term", "dx = dx1 + dx2", "dx = dxmu1"),
    (
        "dropped-term",
        "dx1 = dxmu1 + dxmu2",
        "dx1 = dxmu1",
        "np.sum(dxmu1 + dxmu2, axis=0)",
        "np.sum(dxmu1, axis=0)",
        "var = 1 / N * np.sum(sq, axis=0)",
        "var = x.var(axis=0)",
    ),
    ("dropped-term", "    dscores[np.arange(N), y] -= 1\n", ""),
    ("missing-step", 'grads["b1"] = da.sum(axis=0)', 'grads["b1"] = da[:-1].sum(axis=0)'),
    ("missing-step", '"b2": dscores.sum(0)', '"b2": dscores[1:].sum(0)'),
    (
        "accumulated",
        "    return loss_and_grads(params)[1]",
        "    g = loss_and_grads(params)[1]\n    for k in g:\n        store[k] = store.get(k, 0) + g[k]\n    return dict(store)",
        "def grads",
        "store = {}\n\n\ndef grads",
    ),
]
