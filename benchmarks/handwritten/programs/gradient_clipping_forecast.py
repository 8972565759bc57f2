# Elman network predicts the next value of a wave; gradients are clipped by their norm
import numpy as np

rng = np.random.default_rng(2)
t = np.arange(400)
wave = np.sin(0.2 * t) + 0.5 * np.sin(0.07 * t) + 0.02 * rng.normal(size=400)
wave = wave / 1.5

H, STEPS, CLIP, LR = 16, 10, 1.0, 0.05
net = dict(
    wx=rng.normal(size=(H, 1)) * 0.4,
    wh=rng.normal(size=(H, H)) * 0.2,
    bh=np.zeros((H, 1)),
    wy=rng.normal(size=(1, H)) * 0.3,
    by=np.zeros((1, 1)),
)


def run(seq):
    h = np.zeros((H, 1))
    hs = [h]
    for v in seq:
        h = np.tanh(net["wx"] * v + net["wh"] @ h + net["bh"])
        hs.append(h)
    return hs, net["wy"] @ h + net["by"]


def gradients(seq, hs, dy):
    g = {k: np.zeros_like(v) for k, v in net.items()}
    g["wy"] = dy @ hs[-1].T
    g["by"] = dy
    dh = net["wy"].T @ dy
    for k in reversed(range(len(seq))):
        da = dh * (1 - hs[k + 1] ** 2)
        g["wx"] += da * seq[k]
        g["wh"] += da @ hs[k].T
        g["bh"] += da
        dh = net["wh"].T @ da
    return g


for epoch in range(12):
    errors = []
    for start in rng.permutation(300):
        seq, target = wave[start:start + STEPS], wave[start + STEPS]
        hs, y = run(seq)
        errors.append((y[0, 0] - target) ** 2)
        g = gradients(seq, hs, y - target)
        norm = np.sqrt(sum((v ** 2).sum() for v in g.values()))
        if norm > CLIP:
            for k in g:
                g[k] *= CLIP / norm
        for k in net:
            net[k] -= LR * g[k]
    print(epoch, "mse", np.mean(errors))
