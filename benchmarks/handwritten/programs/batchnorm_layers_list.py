import numpy as np
from sklearn.datasets import make_circles

np.random.seed(9)


class FC:
    def __init__(self, nin, nout):
        self.p = {"w": np.random.randn(nin, nout) * np.sqrt(2 / nin), "b": np.zeros(nout)}

    def fwd(self, x, train):
        self.x = x
        return x @ self.p["w"] + self.p["b"]

    def bwd(self, d):
        self.g = {"w": self.x.T @ d, "b": d.sum(0)}
        return d @ self.p["w"].T


class BatchNorm:
    def __init__(self, n):
        self.p = {"gamma": np.ones(n), "beta": np.zeros(n)}
        self.mean, self.var = np.zeros(n), np.ones(n)

    def fwd(self, x, train):
        if train:
            mu, var = x.mean(0), x.var(0)
            self.mean = 0.9 * self.mean + 0.1 * mu
            self.var = 0.9 * self.var + 0.1 * var
        else:
            mu, var = self.mean, self.var
        self.xmu = x - mu
        self.ivar = 1 / np.sqrt(var + 1e-8)
        self.xn = self.xmu * self.ivar
        return self.p["gamma"] * self.xn + self.p["beta"]

    def bwd(self, d):
        n = d.shape[0]
        self.g = {"gamma": (d * self.xn).sum(0), "beta": d.sum(0)}
        dxn = d * self.p["gamma"]
        dvar = (dxn * self.xmu).sum(0) * -0.5 * self.ivar**3
        dmu = -(dxn * self.ivar).sum(0) + dvar * -2 * self.xmu.mean(0)
        return dxn * self.ivar + dvar * 2 * self.xmu / n + dmu / n


class ReLU:
    p = {}

    def fwd(self, x, train):
        self.on = x > 0
        return x * self.on

    def bwd(self, d):
        self.g = {}
        return d * self.on


layers = [FC(2, 16), BatchNorm(16), ReLU(), FC(16, 16), BatchNorm(16), ReLU(), FC(16, 1)]
X, y = make_circles(400, noise=0.1, factor=0.4, random_state=0)
y = y[:, None]


def predict(x, train=False):
    for layer in layers:
        x = layer.fwd(x, train)
    return 1 / (1 + np.exp(-x))


for epoch in range(20):
    idx = np.random.permutation(400)
    for s in range(0, 400, 40):
        b = idx[s:s + 40]
        p = predict(X[b], train=True)
        d = (p - y[b]) / 40
        for layer in reversed(layers):
            d = layer.bwd(d)
        for layer in layers:
            for k in layer.p:
                layer.p[k] -= 0.1 * layer.g[k]
    if epoch % 4 == 3:
        p = predict(X)
        print(epoch + 1, "loss", -np.mean(np.log(np.where(y == 1, p, 1 - p) + 1e-9)), "acc", np.mean((p > 0.5) == y))
