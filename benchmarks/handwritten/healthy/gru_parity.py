import numpy as np

np.random.seed(42)
H, T, B = 10, 6, 32


def sig(v):
    return 1. / (1. + np.exp(-v))


class GRU:
    def __init__(self, d, h):
        s = 1 / np.sqrt(h)
        self.Wz, self.Wr, self.Wh = [np.random.uniform(-s, s, (d, h)) for _ in range(3)]
        self.Uz, self.Ur, self.Uh = [np.random.uniform(-s, s, (h, h)) for _ in range(3)]
        self.bz, self.br, self.bh = [np.zeros(h) for _ in range(3)]
        self.V = np.random.uniform(-s, s, (h, 1))
        self.c = np.zeros(1)
        self.names = ['Wz', 'Wr', 'Wh', 'Uz', 'Ur', 'Uh', 'bz', 'br', 'bh', 'V', 'c']
        self.m = {n: np.zeros_like(getattr(self, n)) for n in self.names}
        self.v = {n: np.zeros_like(getattr(self, n)) for n in self.names}
        self.t = 0

    def forward(self, x):
        h = np.zeros((x.shape[0], self.V.shape[0]))
        self.cache = []
        for t in range(x.shape[1]):
            xt = x[:, t]
            z = sig(xt @ self.Wz + h @ self.Uz + self.bz)
            r = sig(xt @ self.Wr + h @ self.Ur + self.br)
            hh = np.tanh(xt @ self.Wh + (r * h) @ self.Uh + self.bh)
            hn = (1 - z) * h + z * hh
            self.cache.append((xt, h, z, r, hh))
            h = hn
        self.last = h
        return sig(h @ self.V + self.c)

    def backward(self, p, y):
        g = {n: np.zeros_like(getattr(self, n)) for n in self.names}
        dout = (p - y) / len(y)
        g['V'] = self.last.T @ dout
        g['c'] = dout.sum(0)
        dh = dout @ self.V.T
        for xt, h, z, r, hh in reversed(self.cache):
            dz = dh * (hh - h) * z * (1 - z)
            dhh = dh * z * (1 - hh ** 2)
            drh = dhh @ self.Uh.T
            dr = drh * h * r * (1 - r)
            g['Wh'] += xt.T @ dhh
            g['Uh'] += (r * h).T @ dhh
            g['bh'] += dhh.sum(0)
            g['Wr'] += xt.T @ dr
            g['Ur'] += h.T @ dr
            g['br'] += dr.sum(0)
            g['Wz'] += xt.T @ dz
            g['Uz'] += h.T @ dz
            g['bz'] += dz.sum(0)
            dh = dh * (1 - z) + drh * r + dr @ self.Ur.T + dz @ self.Uz.T
        return g

    def adam(self, g, lr=0.01, b1=0.9, b2=0.999, eps=1e-8):
        self.t += 1
        for n in self.names:
            self.m[n] = b1 * self.m[n] + (1 - b1) * g[n]
            self.v[n] = b2 * self.v[n] + (1 - b2) * g[n] ** 2
            mh = self.m[n] / (1 - b1 ** self.t)
            vh = self.v[n] / (1 - b2 ** self.t)
            setattr(self, n, getattr(self, n) - lr * mh / (np.sqrt(vh) + eps))


net = GRU(1, H)
for it in range(1, 1501):
    x = np.random.randint(0, 2, (B, T, 1)).astype(float)
    y = (x.sum(axis=1) > T / 2).astype(float)
    p = net.forward(x)
    loss = -np.mean(y * np.log(p + 1e-10) + (1 - y) * np.log(1 - p + 1e-10))
    grads = net.backward(p, y)
    net.adam(grads)
    if it % 100 == 0:
        print(it, 'loss', round(loss, 4), 'acc', np.mean((p > 0.5) == y))
