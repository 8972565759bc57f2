import numpy as np
from sklearn.datasets import load_digits


class Optimizer:
    def __init__(self, lr, momentum):
        self.lr = lr
        self.momentum = momentum
        self.state = {}

    def apply(self, params, grads):
        for i, (p, d) in enumerate(zip(params, grads)):
            v = self.state.get(i, np.zeros_like(p))
            v = self.momentum * v + d
            self.state[i] = v
            p -= self.lr * v


def get_batches(X, y, size, rng):
    idx = np.arange(len(X))
    rng.shuffle(idx)
    for i in range(0, len(X), size):
        yield X[idx[i:i + size]], y[idx[i:i + size]]


rng = np.random.default_rng(0)
digits = load_digits()
order = np.argsort(digits.target, kind="stable")  # as it came from the folders 0, 1, 2, …
X, y = (digits.data[order] - 8) / 8, digits.target[order]

W1 = rng.normal(0, 0.1, (64, 40))
b1 = np.zeros(40)
W2 = rng.normal(0, 0.1, (40, 10))
b2 = np.zeros(10)
params = [W1, b1, W2, b2]
opt = Optimizer(lr=0.05, momentum=0.8)

for epoch in range(10):
    correct = 0
    for xb, yb in get_batches(X, y, 32, rng):
        z = xb @ W1 + b1
        h = np.maximum(0, z)
        s = h @ W2 + b2
        s = s - s.max(axis=1, keepdims=True)
        p = np.exp(s) / np.exp(s).sum(axis=1, keepdims=True)
        correct += (p.argmax(axis=1) == yb).sum()
        d = p
        d[np.arange(len(yb)), yb] -= 1
        d = d / len(yb)
        dW2, db2 = h.T @ d, d.sum(axis=0)
        dz = (d @ W2.T) * (z > 0)
        dW1, db1 = xb.T @ dz, dz.sum(axis=0)
        opt.apply(params, [dW1, db1, dW2, db2])
    print(f"epoch {epoch}: {correct / len(X):.3f}")
