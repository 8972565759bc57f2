# one self-attention head: which token of the row has the flag, and what is its value?
import numpy as np

rng = np.random.default_rng(0)
B, T, D, K = 64, 5, 4, 8


def batch():
    x = rng.normal(size=(B, T, D))
    x[:, :, 0] = 0
    where = rng.integers(0, T, B)
    x[np.arange(B), where, 0] = 3.0
    y = (x[np.arange(B), where, 1] > 0).astype(int)
    return x, y


class Attention:
    def __init__(self):
        self.q = rng.normal(size=(1, K)) * 0.3  # a learned query
        self.Wk = rng.normal(size=(D, K)) * 0.3
        self.Wv = rng.normal(size=(D, K)) * 0.3
        self.Wo = rng.normal(size=(K, 2)) * 0.3

    def forward(self, x):
        k = x @ self.Wk  # B T K
        v = x @ self.Wv
        s = (k @ self.q.T)[:, :, 0] / np.sqrt(K)  # B T
        e = np.exp(s - s.max(axis=1, keepdims=True))
        a = e / e.sum(axis=1, keepdims=True)
        ctx = (a[:, :, None] * v).sum(axis=1)  # B K
        logits = ctx @ self.Wo
        e = np.exp(logits - logits.max(axis=1, keepdims=True))
        p = e / e.sum(axis=1, keepdims=True)
        self.cache = x, k, v, a, ctx, p
        return p

    def backward(self, y):
        x, k, v, a, ctx, p = self.cache
        dlogits = p.copy()
        dlogits[np.arange(B), y] -= 1
        dlogits /= B
        dWo = ctx.T @ dlogits
        dctx = dlogits @ self.Wo.T
        dv = a[:, :, None] * dctx[:, None, :]
        da = (v * dctx[:, None, :]).sum(axis=2)
        ds = a * (da - (a * da).sum(axis=1, keepdims=True))
        ds = ds / np.sqrt(K)
        dq = (ds[:, :, None] * k).sum(axis=(0, 1))[None, :]
        dk = ds[:, :, None] * self.q[None]
        dWk = np.einsum("btd,btk->dk", x, dk)
        dWv = np.einsum("btd,btk->dk", x, dv)
        return {"q": dq, "Wk": dWk, "Wv": dWv, "Wo": dWo}


net = Attention()
for it in range(1200):
    x, y = batch()
    p = net.forward(x)
    if it % 200 == 0:
        print(it, -np.log(p[np.arange(B), y]).mean(), (p.argmax(1) == y).mean())
    for name, g in net.backward(y).items():
        setattr(net, name, getattr(net, name) - 0.5 * g)
x, y = batch()
print("final accuracy", (net.forward(x).argmax(1) == y).mean())
