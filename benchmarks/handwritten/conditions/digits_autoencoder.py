import numpy as np
from sklearn.datasets import load_digits

np.random.seed(0)

data = load_digits().data
data = data / 16.0


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


class Autoencoder:
    def __init__(self, n_visible, n_code, lr):
        self.We = np.random.randn(n_visible, n_code) * 0.1
        self.be = np.zeros(n_code)
        self.Wd = np.random.randn(n_code, n_visible) * 0.1
        self.bd = np.zeros(n_visible)
        self.lr = lr

    def encode(self, x):
        return np.tanh(x @ self.We + self.be)

    def decode(self, h):
        return sigmoid(h @ self.Wd + self.bd)

    def train_batch(self, x):
        h = self.encode(x)
        r = self.decode(h)
        n = x.shape[0]
        cost = np.sum((r - x) ** 2) / (2 * n)
        d_out = (r - x) * r * (1 - r) / n
        d_hid = (d_out @ self.Wd.T) * (1 - h * h)
        self.Wd -= self.lr * (h.T @ d_out)
        self.bd -= self.lr * d_out.sum(0)
        self.We -= self.lr * (x.T @ d_hid)
        self.be -= self.lr * d_hid.sum(0)
        return cost


ae = Autoencoder(64, 12, lr=0.5)
for epoch in range(20):
    np.random.shuffle(data)
    costs = [ae.train_batch(data[i : i + 50]) for i in range(0, len(data), 50)]
    print("epoch", epoch + 1, "cost", np.mean(costs))

rec = ae.decode(ae.encode(data))
print("unexplained", ((rec - data) ** 2).sum() / ((data - data.mean(0)) ** 2).sum())
