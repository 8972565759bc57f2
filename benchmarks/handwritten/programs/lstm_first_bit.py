# LSTM from scratch: remember the first symbol of a sequence
import numpy as np

rng = np.random.RandomState(1)
n_in, n_h, T = 2, 10, 6


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


p = {}
for gate in "fiog":
    p["W" + gate] = rng.randn(n_h, n_h + n_in) * 0.3
    p["b" + gate] = np.zeros((n_h, 1))
p["bf"] += 1.0
p["Wy"] = rng.randn(1, n_h) * 0.3
p["by"] = np.zeros((1, 1))


def sequences(n):
    bits = rng.randint(0, 2, (T, n))
    x = np.stack([bits, 1 - bits], axis=1).astype(float)  # (T, 2, n)
    return x, bits[0:1].astype(float)


def forward(x):
    n = x.shape[2]
    h, c = np.zeros((n_h, n)), np.zeros((n_h, n))
    cache = []
    for t in range(T):
        z = np.vstack([h, x[t]])
        f = sigmoid(p["Wf"] @ z + p["bf"])
        i = sigmoid(p["Wi"] @ z + p["bi"])
        o = sigmoid(p["Wo"] @ z + p["bo"])
        g = np.tanh(p["Wg"] @ z + p["bg"])
        c_prev = c
        c = f * c_prev + i * g
        h = o * np.tanh(c)
        cache.append((z, f, i, o, g, c_prev, c))
    y = sigmoid(p["Wy"] @ h + p["by"])
    return y, h, cache


def backward(y, target, h, cache):
    n = target.shape[1]
    d = {k: np.zeros_like(v) for k, v in p.items()}
    dy = (y - target) / n
    d["Wy"] = dy @ h.T
    d["by"] = dy.sum(axis=1, keepdims=True)
    dh = p["Wy"].T @ dy
    dc = np.zeros_like(dh)
    for z, f, i, o, g, c_prev, c in reversed(cache):
        tc = np.tanh(c)
        do = dh * tc * o * (1 - o)
        dc = dc + dh * o * (1 - tc ** 2)
        df = dc * c_prev * f * (1 - f)
        di = dc * g * i * (1 - i)
        dg = dc * i * (1 - g ** 2)
        dz = 0
        for gate, dgate in zip("fiog", (df, di, do, dg)):
            d["W" + gate] += dgate @ z.T
            d["b" + gate] += dgate.sum(axis=1, keepdims=True)
            dz = dz + p["W" + gate].T @ dgate
        dh = dz[:n_h]
        dc = dc * f
    return d


for step in range(600):
    x, target = sequences(32)
    y, h, cache = forward(x)
    loss = -np.mean(target * np.log(y) + (1 - target) * np.log(1 - y))
    grads = backward(y, target, h, cache)
    for k in p:
        p[k] -= 0.8 * grads[k]
    if step % 100 == 0:
        print("step", step, "loss", round(loss, 4))
x, target = sequences(500)
print("accuracy", ((forward(x)[0] > 0.5) == target).mean())
