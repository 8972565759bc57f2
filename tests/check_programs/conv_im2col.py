"""Two convolutions by im2col with padding, leaky ReLU, average pooling and a linear layer; hinge loss."""

import numpy as np

np.random.seed(13)
N, C1, C2, C3, S, K = 4, 2, 3, 3, 5, 3
images = np.random.randn(N, C1, S, S)
labels = np.random.randint(0, 3, N)
params = {
    "k1": np.random.randn(C2, C1, K, K) * 0.4,
    "b1": np.random.randn(C2) * 0.1,
    "k2": np.random.randn(C3, C2, K, K) * 0.4,
    "b2": np.random.randn(C3) * 0.1,
    "w": np.random.randn(C3, 3),
}


def im2col(x):
    n, c, h, w = x.shape
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    cols = np.empty((n, c, K, K, h, w), dtype=x.dtype)
    for i in range(K):
        for j in range(K):
            cols[:, :, i, j] = padded[:, :, i : i + h, j : j + w]
    return cols.transpose(0, 4, 5, 1, 2, 3).reshape(n * h * w, c * K * K)


def col2im(dcols, shape):
    n, c, h, w = shape
    dcols = dcols.reshape(n, h, w, c, K, K).transpose(0, 3, 4, 5, 1, 2)
    dpadded = np.zeros((n, c, h + 2, w + 2))
    for i in range(K):
        for j in range(K):
            dpadded[:, :, i : i + h, j : j + w] += dcols[:, :, i, j]
    return dpadded[:, :, 1:-1, 1:-1]


def conv(x, kernel, bias):
    n, _, h, w = x.shape
    cols = im2col(x)
    out = cols @ kernel.reshape(len(kernel), -1).T + bias
    return out.reshape(n, h, w, -1).transpose(0, 3, 1, 2), cols


def conv_backward(dout, cols, kernel, shape):
    flat = dout.transpose(0, 2, 3, 1).reshape(-1, len(kernel))
    dkernel = (flat.T @ cols).reshape(kernel.shape)
    dbias = flat.sum(axis=0)
    dx = col2im(flat @ kernel.reshape(len(kernel), -1), shape)
    return dx, dkernel, dbias


def leaky(z):
    return np.where(z > 0, z, 0.1 * z)


def forward(p):
    z1, cols1 = conv(images, p["k1"], p["b1"])
    a1 = leaky(z1)
    z2, cols2 = conv(a1, p["k2"], p["b2"])
    a2 = leaky(z2)
    pooled = a2.mean(axis=(2, 3))
    scores = pooled @ p["w"]
    correct = scores[np.arange(N), labels][:, None]
    margins = np.maximum(0, scores - correct + 1)
    margins[np.arange(N), labels] = 0
    return z1, cols1, a1, z2, cols2, a2, pooled, margins


def loss(params):
    margins = forward(params)[-1]
    return margins.sum() / N


def grads(params):
    z1, cols1, a1, z2, cols2, a2, pooled, margins = forward(params)
    dscores = (margins > 0).astype(float)
    dscores[np.arange(N), labels] = -dscores.sum(axis=1)
    dscores /= N
    dw = pooled.T @ dscores
    dpooled = dscores @ params["w"].T
    da2 = np.ones(a2.shape) * dpooled[:, :, None, None] / (S * S)
    dz2 = da2 * np.where(z2 > 0, 1, 0.1)
    da1, dk2, db2 = conv_backward(dz2, cols2, params["k2"], a1.shape)
    dz1 = da1 * np.where(z1 > 0, 1, 0.1)
    _, dk1, db1 = conv_backward(dz1, cols1, params["k1"], images.shape)
    return {"k1": dk1, "b1": db1, "k2": dk2, "b2": db2, "w": dw}


# ruff: noqa: NPY002 (as learners write)
PLANTED = [
    ("constant-factor", "    dscores /= N\n", "    dscores /= 0.5 * N\n"),
    ("batch-factor", "    dscores /= N\n", ""),
    ("batch-factor|constant-factor", " / (S * S)", ""),
    ("sign", "= -dscores.sum(axis=1)", "= dscores.sum(axis=1)"),
    (
        "transpose",
        "(flat.T @ cols).reshape(kernel.shape)",
        "(flat.T @ cols).reshape(kernel.shape).transpose(0, 1, 3, 2)",
    ),
    ("transpose", 'dpooled = dscores @ params["w"].T', 'dpooled = dscores @ params["w"]'),
    ("missing-broadcast-sum", "dbias = flat.sum(axis=0)", "dbias = flat.sum()"),
    ("missing-broadcast-sum", "dbias = flat.sum(axis=0)", "dbias = flat[0]"),
    ("missing-activation-derivative", "dz2 = da2 * np.where(z2 > 0, 1, 0.1)", "dz2 = da2"),
    ("missing-activation-derivative", "dz1 = da1 * np.where(z1 > 0, 1, 0.1)", "dz1 = da1"),
    ("wrong-mask", "dz1 = da1 * np.where(z1 > 0, 1, 0.1)", "dz1 = da1 * np.where(z1 < 0, 1, 0.1)"),
    ("wrong-mask", "dz1 = da1 * np.where(z1 > 0, 1, 0.1)", "dz1 = da1 * np.where(z2 > 0, 1, 0.1)"),
    ("wrong-mask", "dz2 = da2 * np.where(z2 > 0, 1, 0.1)", "dz2 = da2 * np.where(da2 > 0, 1, 0.1)"),
    ("zero-gradient", '{"k1": dk1, ', '{"k1": np.zeros_like(dk1), '),
    (
        "stale-value",
        "dk2, db2 = conv_backward(dz2, cols2",
        "dk2, db2 = conv_backward(dz2, OLD[0]",
        "def grads",
        "OLD = [forward(params)[4]]\n\n\ndef grads",
    ),
    ("stale-value", "dw = pooled.T @ dscores", "dw = a1.mean(axis=(2, 3)).T @ dscores"),
    ("swapped-tensors", '"b1": db1, "k2": dk2, "b2": db2', '"b1": db2, "k2": dk2, "b2": db1'),
    ("dropped-term", "    dscores[np.arange(N), labels] = -dscores.sum(axis=1)\n", ""),
    (
        "missing-step",
        "    for i in range(K):\n        for j in range(K):\n            dpadded",
        "    for i in range(K - 1):\n        for j in range(K):\n            dpadded",
    ),
    (
        "missing-step",
        "    for i in range(K):\n        for j in range(K):\n            dpadded",
        "    for i in range(K):\n        for j in range(1, K):\n            dpadded",
    ),
    ("missing-step", "dpadded[:, :, 1:-1, 1:-1]", "dpadded[:, :, :-2, 1:-1]"),
    ("missing-step", "dbias = flat.sum(axis=0)", "dbias = flat[1:].sum(axis=0)"),
    (
        "accumulated",
        "dk2, db2 = conv_backward(",
        "dk2, db2 = conv_backward(",
        '    return {"k1": dk1',
        '    past[0] = dk2 = dk2 + past[0]\n    return {"k1": dk1',
        "def grads",
        "past = [0]\n\n\ndef grads",
    ),
]
