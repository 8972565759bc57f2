"""Two ReLU layers with inverted dropout by fixed masks and a residual connection; float32 data, logistic loss."""

import numpy as np

rng = np.random.default_rng(10)
B, F = 10, 6
inputs = rng.standard_normal((B, F)).astype(np.float32)
target = rng.integers(0, 2, size=(B, 1)).astype(np.float32)
keep = 0.7
mask1 = (rng.random((B, F)) < keep) / keep
mask2 = (rng.random((B, F)) < keep) / keep
lam = 0.05
params = {
    "W1": rng.standard_normal((F, F)).astype(np.float32) * 0.6,
    "b1": np.zeros((1, F), dtype=np.float32),
    "W2": rng.standard_normal((F, F)).astype(np.float32) * 0.6,
    "b2": np.zeros((1, F), dtype=np.float32),
    "w": rng.standard_normal((F, 1)).astype(np.float32) * 0.4,
}


def forward(W1, b1, W2, b2, w):
    z1 = inputs @ W1 + b1
    h1 = np.where(z1 > 0, z1, 0) * mask1
    z2 = h1 @ W2 + b2
    r2 = z2 * (z2 > 0)
    h2 = r2 * mask2 + h1
    p = 1 / (1 + np.exp(-(h2 @ w)))
    return z1, h1, z2, h2, p


def loss(params):
    *_, p = forward(**params)
    p = np.clip(p, 1e-7, 1 - 1e-7)
    bce = -np.mean(target * np.log(p) + (1 - target) * np.log(1 - p))
    return bce + lam * (np.sum(params["W1"] ** 2) + np.sum(params["W2"] ** 2))


def grads(params):
    W1, W2, w = params["W1"], params["W2"], params["w"]
    z1, h1, z2, h2, p = forward(**params)
    dp = -(target / p - (1 - target) / (1 - p)) / B
    dlogit = dp * p * (1 - p)
    dw = h2.T @ dlogit
    dh2 = dlogit @ w.T
    dr2 = dh2 * mask2
    dz2 = dr2 * (z2 > 0)
    dW2 = h1.T @ dz2 + 2 * lam * W2
    db2 = dz2.sum(axis=0, keepdims=True)
    dh1 = dz2 @ W2.T + dh2
    dz1 = dh1 * mask1 * (z1 > 0)
    dW1 = inputs.T @ dz1 + 2 * lam * W1
    db1 = dz1.sum(axis=0, keepdims=True)
    return {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2, "w": dw}


PLANTED = [
    ("constant-factor", "h1.T @ dz2 + 2 * lam * W2", "h1.T @ dz2 + lam * W2"),
    ("constant-factor", "dlogit = dp * p * (1 - p)", "dlogit = dp * p * (1 - p) * 2"),
    ("batch-factor", "(1 - p)) / B", "(1 - p))"),
    ("sign", "dp = -(target", "dp = (target"),
    ("transpose", "dh1 = dz2 @ W2.T", "dh1 = dz2 @ W2"),
    ("missing-broadcast-sum", "db1 = dz1.sum(axis=0, keepdims=True)", "db1 = dz1.sum(axis=1, keepdims=True)"),
    ("missing-broadcast-sum", "db2 = dz2.sum(axis=0, keepdims=True)", "db2 = dz2"),
    ("missing-activation-derivative", "dlogit = dp * p * (1 - p)", "dlogit = dp"),
    ("missing-activation-derivative", "dz2 = dr2 * (z2 > 0)", "dz2 = dr2"),
    ("missing-activation-derivative", "dz1 = dh1 * mask1 * (z1 > 0)", "dz1 = dh1 * mask1"),
    ("wrong-mask", "dz1 = dh1 * mask1 * (z1 > 0)", "dz1 = dh1 * mask2 * (z1 > 0)"),
    ("wrong-mask", "dr2 = dh2 * mask2", "dr2 = dh2"),
    ("wrong-mask", "dz1 = dh1 * mask1 * (z1 > 0)", "dz1 = dh1 * mask1 * (z2 > 0)"),
    ("wrong-mask", "dz2 = dr2 * (z2 > 0)", "dz2 = dr2 * (z2 < 0)"),
    ("derivative-at-wrong-point", "dlogit = dp * p * (1 - p)", "z = h2 @ w\n    dlogit = dp * z * (1 - z)"),
    ("zero-gradient", '"b2": db2', '"b2": 0 * db2'),
    ("stale-value", "dW2 = h1.T @ dz2", "dW2 = h2.T @ dz2"),
    ("stale-value", "dw = h2.T @ dlogit", "dw = h1.T @ dlogit"),
    ("swapped-tensors", '{"W1": dW1, "b1": db1, "W2": dW2', '{"W1": dW2, "b1": db1, "W2": dW1'),
    ("dropped-term", "dh1 = dz2 @ W2.T + dh2", "dh1 = dz2 @ W2.T"),
    ("dropped-term", "dW2 = h1.T @ dz2 + 2 * lam * W2", "dW2 = h1.T @ dz2"),
    ("dropped-term", "-(target / p - (1 - target) / (1 - p)) / B", "-(target / p) / B"),
    ("missing-step", "db2 = dz2.sum(axis=0, keepdims=True)", "db2 = dz2[:-1].sum(axis=0, keepdims=True)"),
    (
        "clipped",
        "    dW1 = inputs.T @ dz1 + 2 * lam * W1",
        "    dW1 = np.clip(inputs.T @ dz1 + 2 * lam * W1, -0.05, 0.05)",
    ),
    (
        "wrong-loss",
        "bce = -np.mean(target * np.log(p) + (1 - target) * np.log(1 - p))",
        "bce = np.mean((p - target) ** 2)",
    ),
    ("updated-too-early", "    dh1 = dz2 @ W2.T + dh2", "    W2 -= 0.9 * dW2\n    dh1 = dz2 @ W2.T + dh2"),
    (
        "outer-product",
        "dW2 = h1.T @ dz2 + 2 * lam * W2",
        "dW2 = np.outer(h1.sum(axis=0), dz2.sum(axis=0)) + 2 * lam * W2",
    ),
]
