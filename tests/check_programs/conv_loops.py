"""Convolution, ReLU, max pooling and a linear layer, by loops over windows."""

import numpy as np

rng = np.random.default_rng(5)
N, C, H, W, F, K, CLASSES = 3, 2, 6, 6, 3, 3, 4
images = rng.normal(size=(N, C, H, W))
labels = rng.integers(0, CLASSES, N)
params = {
    "filters": rng.normal(size=(F, C, K, K)) * 0.4,
    "bias": rng.normal(size=F) * 0.1,
    "weights": rng.normal(size=(F * 2 * 2, CLASSES)) * 0.5,
    "out_bias": np.zeros(CLASSES),
}


def conv_forward(x, w, b):
    out_h, out_w = H - K + 1, W - K + 1
    out = np.zeros((N, F, out_h, out_w))
    for n in range(N):
        for f in range(F):
            for i in range(out_h):
                for j in range(out_w):
                    out[n, f, i, j] = np.sum(x[n, :, i : i + K, j : j + K] * w[f]) + b[f]
    return out


def conv_backward(dout, x, w):
    dw = np.zeros(w.shape)
    db = np.zeros(F)
    for n in range(N):
        for f in range(F):
            for i in range(dout.shape[2]):
                for j in range(dout.shape[3]):
                    dw[f] += dout[n, f, i, j] * x[n, :, i : i + K, j : j + K]
                    db[f] += dout[n, f, i, j]
    return dw, db


def pool_forward(x):
    out = np.zeros((N, F, 2, 2))
    for n in range(N):
        for f in range(F):
            for i in range(2):
                for j in range(2):
                    out[n, f, i, j] = np.max(x[n, f, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2])
    return out


def pool_backward(dout, x):
    dx = np.zeros(x.shape)
    for n in range(N):
        for f in range(F):
            for i in range(2):
                for j in range(2):
                    window = x[n, f, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
                    mask = window == np.max(window)
                    dx[n, f, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2] += dout[n, f, i, j] * mask
    return dx


def forward(p):
    conv = conv_forward(images, p["filters"], p["bias"])
    act = np.maximum(conv, 0.0)
    pooled = pool_forward(act)
    flat = pooled.reshape(N, -1)
    logits = flat @ p["weights"] + p["out_bias"]
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return conv, act, pooled, flat, logits, e / e.sum(axis=1, keepdims=True)


def loss(params):
    probs = forward(params)[-1]
    total = 0.0
    for n in range(N):
        total -= np.log(probs[n, labels[n]])
    return total / N


def grads(params):
    conv, act, pooled, flat, logits, probs = forward(params)
    dlogits = probs.copy()
    for n in range(N):
        dlogits[n, labels[n]] -= 1
    dlogits /= N
    dflat = dlogits @ params["weights"].T
    dpooled = dflat.reshape(pooled.shape)
    dact = pool_backward(dpooled, act)
    dconv = dact * (conv > 0)
    dw, db = conv_backward(dconv, images, params["filters"])
    return {"filters": dw, "bias": db, "weights": flat.T @ dlogits, "out_bias": dlogits.sum(axis=0)}


# ruff: noqa: RUF059 (as learners write)
PLANTED = [
    ("constant-factor", "    dlogits /= N", "    dlogits *= 2 / N"),
    ("constant-factor", "dact = pool_backward(dpooled, act)", "dact = pool_backward(dpooled, act) / 4"),
    ("batch-factor", "    dlogits /= N\n", ""),
    ("batch-factor", "return dw, db", "return dw / N, db / N"),
    ("sign", "dw[f] += dout", "dw[f] -= dout"),
    ("sign", "    dlogits /= N", "    dlogits /= -N"),
    ("transpose", '{"filters": dw', '{"filters": dw.transpose(0, 1, 3, 2)'),
    ("missing-broadcast-sum|missing-step", "db[f] += dout[n, f, i, j]", "db[f] = dout[n, f, i, j]"),
    ("missing-broadcast-sum", "dlogits.sum(axis=0)", "dlogits[0]"),
    ("missing-activation-derivative", "dconv = dact * (conv > 0)", "dconv = dact"),
    ("wrong-mask", "dact * (conv > 0)", "dact * (conv < 0)"),
    ("wrong-mask", "mask = window == np.max(window)", "mask = window != np.max(window)"),
    ("wrong-mask", "mask = window == np.max(window)", "mask = np.ones((2, 2))"),
    ("softmax-wrong-axis", "    dlogits = probs.copy()", "    dlogits = np.exp(logits) / np.exp(logits).sum(axis=0)"),
    ("softmax-wrong-axis", "    dlogits = probs.copy()", "    dlogits = np.exp(logits) / np.exp(logits).sum()"),
    ("zero-gradient", "    return dw, db", "    return dw, np.zeros(F)"),
    ("zero-gradient", '    return {"filters": dw', '    return {"filters": 0 * dw'),
    ("missing-step", "for i in range(dout.shape[2])", "for i in range(dout.shape[2] - 1)"),
    ("missing-step", "for j in range(dout.shape[3])", "for j in range(1, dout.shape[3])"),
    (
        "missing-step",
        "x[n, :, i : i + K, j : j + K]\n                    db",
        "x[n, :, i : i + K, min(j + 1, W - K) : min(j + 1, W - K) + K]\n                    db",
    ),
    ("missing-step", "dact = pool_backward(dpooled, act)", "dact = pool_backward(dpooled, act)\n    dact[-1] = 0"),
    ("stale-value", "flat.T @ dlogits", "conv[:, :, ::2, ::2].reshape(N, -1).T @ dlogits"),
    (
        "accumulated",
        "    dw = np.zeros(w.shape)",
        "    global dw_total\n    dw = dw_total",
        "def conv_backward",
        "dw_total = np.zeros((F, C, K, K))\n\n\ndef conv_backward",
        'return {"filters": dw',
        'return {"filters": dw.copy()',
    ),
    ("dropped-term", "    for n in range(N):\n        dlogits[n, labels[n]] -= 1\n", ""),
]
