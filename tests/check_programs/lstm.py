"""An LSTM over a batch of sequences, the four gates in one matrix; squared error on the last state."""

import numpy as np

rng = np.random.RandomState(7)
T, N, D, H = 5, 4, 3, 4
x = rng.randn(T, N, D)
target = rng.randn(N, 1)
params = {
    "Wx": rng.randn(D, 4 * H) * 0.5,
    "Wh": rng.randn(H, 4 * H) * 0.5,
    "b": rng.randn(4 * H) * 0.1,
    "Wy": rng.randn(H, 1),
    "by": np.zeros(1),
}


def sigmoid(v):
    return 1.0 / (1.0 + np.exp(-v))


def forward(p):
    h, c = np.zeros((N, H)), np.zeros((N, H))
    caches = []
    for t in range(T):
        a = x[t] @ p["Wx"] + h @ p["Wh"] + p["b"]
        i, f, o = sigmoid(a[:, :H]), sigmoid(a[:, H : 2 * H]), sigmoid(a[:, 2 * H : 3 * H])
        g = np.tanh(a[:, 3 * H :])
        c_next = f * c + i * g
        h_next = o * np.tanh(c_next)
        caches.append((h, c, i, f, o, g, c_next))
        h, c = h_next, c_next
    return h, h @ p["Wy"] + p["by"], caches


def loss(params):
    _, pred, _ = forward(params)
    return 0.5 * np.sum((pred - target) ** 2) / N


def grads(params):
    h_last, pred, caches = forward(params)
    dpred = (pred - target) / N
    dWy, dby = h_last.T @ dpred, dpred.sum(0)
    dh, dc = dpred @ params["Wy"].T, np.zeros((N, H))
    dWx, dWh, db = 0, 0, 0
    for t in range(T - 1, -1, -1):
        h, c, i, f, o, g, c_next = caches[t]
        tc = np.tanh(c_next)
        do = dh * tc
        dc = dc + dh * o * (1 - tc**2)
        di, df, dg = dc * g, dc * c, dc * i
        da = np.hstack((di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dg * (1 - g**2)))
        dWx = dWx + x[t].T @ da
        dWh = dWh + h.T @ da
        db = db + da.sum(axis=0)
        dh = da @ params["Wh"].T
        dc = dc * f
    return {"Wx": dWx, "Wh": dWh, "b": db, "Wy": dWy, "by": dby}


PLANTED = [
    ("constant-factor", "dpred = (pred - target) / N", "dpred = 2 * (pred - target) / N"),
    ("batch-factor", "dpred = (pred - target) / N", "dpred = pred - target"),
    ("batch-factor", "dWx = dWx + x[t].T @ da", "dWx = dWx + x[t].T @ da / N"),
    ("sign", "dpred = (pred - target) / N", "dpred = (target - pred) / N"),
    ("missing-broadcast-sum", "dpred.sum(0)", "dpred[0]"),
    ("missing-broadcast-sum", "db = db + da.sum(axis=0)", "db = db + da"),
    ("missing-activation-derivative", "dg * (1 - g**2)", "dg"),
    ("missing-activation-derivative", "di * i * (1 - i)", "di"),
    ("missing-activation-derivative", "dh * o * (1 - tc**2)", "dh * o"),
    ("derivative-at-wrong-point", "dh * o * (1 - tc**2)", "dh * o * (1 - c_next**2)"),
    ("derivative-at-wrong-point", "dg * (1 - g**2)", "dg * (1 - np.tanh(g)**2)"),
    ("derivative-at-wrong-point", "df * f * (1 - f)", "df * sigmoid(f) * (1 - sigmoid(f))"),
    ("missing-step|stale-value", "dc * g, dc * c, dc * i", "dc * g, dc * c_next, dc * i"),
    ("zero-gradient", '"b": db', '"b": np.zeros(4 * H)'),
    ("missing-step", "range(T - 1, -1, -1)", "range(T - 1, 0, -1)"),
    ("missing-step", "dWh = dWh + h.T @ da", "dWh = dWh + (o * tc).T @ da"),
    ("missing-step", "dWx = dWx + x[t].T @ da", "dWx = dWx + x[max(t - 1, 0)].T @ da"),
    ("dropped-term", "dc = dc + dh * o * (1 - tc**2)", "dc = dh * o * (1 - tc**2)"),
    ("dropped-term", '        dh = da @ params["Wh"].T\n', "        dh = 0 * dh\n"),
    ("dropped-term", "        dc = dc * f\n", "        dc = 0 * dc\n"),
    (
        "accumulated",
        "    dWx, dWh, db = 0, 0, 0",
        '    dWx, dWh, db = memory.get("Wx", 0), 0, 0',
        "def grads",
        "memory = {}\n\n\ndef grads",
        '    return {"Wx": dWx',
        '    memory["Wx"] = dWx\n    return {"Wx": dWx',
    ),
    ("sign", "da.sum(axis=0)\n        dh = da @", "da.sum(axis=0)\n        dh = -da @"),
]
