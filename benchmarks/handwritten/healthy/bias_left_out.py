import numpy as np
from sklearn.datasets import load_digits

rng = np.random.RandomState(5)
X = load_digits().data / 16.0


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


class AutoEncoder:
    def __init__(self, n_in, n_code):
        self.We = rng.randn(n_in, n_code) * np.sqrt(1.0 / n_in)
        self.Wd = rng.randn(n_code, n_in) * np.sqrt(1.0 / n_code)
        self.bd = np.zeros(n_in)

    def encode(self, x):
        return np.tanh(x @ self.We)

    def decode(self, h):
        return sigmoid(h @ self.Wd + self.bd)

    def train_batch(self, x, lr):
        h = self.encode(x)
        r = self.decode(h)
        n = len(x)
        # mean over the batch of the summed squared error
        loss = np.sum((r - x) ** 2) / n
        dr = 2 * (r - x) / n
        dzr = dr * r * (1 - r)
        gWd = h.T @ dzr
        gbd = dzr.sum(0)
        dh = dzr @ self.Wd.T
        dzh = dh * (1 - h**2)
        gWe = x.T @ dzh
        self.We -= lr * gWe
        self.Wd -= lr * gWd
        self.bd -= lr * gbd
        return loss


ae = AutoEncoder(64, 16)
for epoch in range(25):
    perm = rng.permutation(len(X))
    total = 0
    for i in range(0, len(X), 64):
        total += ae.train_batch(X[perm[i : i + 64]], 0.3)
    if epoch % 5 == 4:
        print(f"epoch {epoch + 1} reconstruction {total / (len(X) / 64):.3f}")
np.save("codes.npy", ae.encode(X))
