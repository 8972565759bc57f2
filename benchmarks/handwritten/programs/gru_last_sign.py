import numpy as np

np.random.seed(3)
H = 8


def sig(a):
    return 1. / (1. + np.exp(-a))


class GRUCell:
    def __init__(self, nx, nh):
        self.Wz, self.Wr, self.Wh = [np.random.randn(nx, nh) * 0.4 for _ in range(3)]
        self.Uz, self.Ur, self.Uh = [np.random.randn(nh, nh) * 0.3 for _ in range(3)]
        self.bz, self.br, self.bh = [np.zeros(nh) for _ in range(3)]

    def step(self, x, h):
        z = sig(x @ self.Wz + h @ self.Uz + self.bz)
        r = sig(x @ self.Wr + h @ self.Ur + self.br)
        hh = np.tanh(x @ self.Wh + (r * h) @ self.Uh + self.bh)
        return (1 - z) * h + z * hh, (x, h, z, r, hh)

    def back(self, dh_next, cache, g):
        x, h, z, r, hh = cache
        dz = dh_next * (hh - h) * z * (1 - z)
        dhh = dh_next * z * (1 - hh * hh)
        drh = dhh @ self.Uh.T
        dr = drh * h * r * (1 - r)
        g["Wz"] += x.T @ dz
        g["Uz"] += h.T @ dz
        g["bz"] += dz.sum(0)
        g["Wr"] += x.T @ dr
        g["Ur"] += h.T @ dr
        g["br"] += dr.sum(0)
        g["Wh"] += x.T @ dhh
        g["Uh"] += (r * h).T @ dhh
        g["bh"] += dhh.sum(0)
        return dh_next * (1 - z) + dz @ self.Uz.T + dr @ self.Ur.T + drh * r


# which of the numbers was the larger in absolute value, the first or the last?
X = np.random.uniform(-1, 1, (600, 5, 1))
Y = (np.abs(X[:, 0, 0]) > np.abs(X[:, -1, 0])).astype(float)[:, None]

cell = GRUCell(1, H)
Wo = np.random.randn(H, 1) * 0.4
bo = np.zeros(1)
names = ["Wz", "Uz", "bz", "Wr", "Ur", "br", "Wh", "Uh", "bh"]
m = {n: 0 for n in names + ["Wo", "bo"]}
v = {n: 0 for n in names + ["Wo", "bo"]}
k = 0
for epoch in range(25):
    losses = []
    order = np.random.permutation(600)
    for i in range(0, 600, 50):
        xb, yb = X[order[i:i + 50]], Y[order[i:i + 50]]
        h = np.zeros((50, H))
        caches = []
        for t in range(5):
            h, cache = cell.step(xb[:, t], h)
            caches.append(cache)
        p = sig(h @ Wo + bo)
        losses.append(-np.mean(yb * np.log(p + 1e-8) + (1 - yb) * np.log(1 - p + 1e-8)))
        d = (p - yb) / 50
        g = {n: np.zeros_like(getattr(cell, n)) for n in names}
        g["Wo"] = h.T @ d
        g["bo"] = d.sum(0)
        dh = d @ Wo.T
        for cache in reversed(caches):
            dh = cell.back(dh, cache, g)
        # adam
        k += 1
        for n in g:
            m[n] = 0.9 * m[n] + 0.1 * g[n]
            v[n] = 0.999 * v[n] + 0.001 * g[n] ** 2
            upd = 0.01 * (m[n] / (1 - 0.9 ** k)) / (np.sqrt(v[n] / (1 - 0.999 ** k)) + 1e-8)
            if n == "Wo":
                Wo -= upd
            elif n == "bo":
                bo -= upd
            else:
                setattr(cell, n, getattr(cell, n) - upd)
    if epoch % 5 == 4:
        print(epoch + 1, np.mean(losses))
