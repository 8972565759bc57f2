from dataclasses import dataclass, field

import numpy as np
from sklearn.datasets import make_circles


@dataclass
class Param:
    value: np.ndarray
    grad: np.ndarray = None
    m: np.ndarray = None
    v: np.ndarray = None

    def __post_init__(self):
        self.grad = np.zeros_like(self.value)
        self.m = np.zeros_like(self.value)
        self.v = np.zeros_like(self.value)


@dataclass
class Network:
    params: dict = field(default_factory=dict)

    def build(self, sizes, rng):
        for i, (a, b) in enumerate(zip(sizes[:-1], sizes[1:])):
            self.params[f"w{i}"] = Param(rng.normal(0, np.sqrt(2 / a), (a, b)))
            self.params[f"b{i}"] = Param(np.zeros(b))
        self.depth = len(sizes) - 1

    def forward(self, x):
        self.inputs, self.pre = [], []
        for i in range(self.depth):
            self.inputs.append(x)
            z = x @ self.params[f"w{i}"].value + self.params[f"b{i}"].value
            self.pre.append(z)
            x = np.where(z > 0, z, 0.1 * z) if i < self.depth - 1 else 1 / (1 + np.exp(-z))
        return x

    def backward(self, p, y):
        delta = (p - y) / len(y)
        for i in reversed(range(self.depth)):
            if i < self.depth - 1:
                delta = delta * np.where(self.pre[i] > 0, 1.0, 0.1)
            self.params[f"w{i}"].grad = self.inputs[i].T @ delta
            self.params[f"b{i}"].grad = delta.sum(axis=0)
            delta = delta @ self.params[f"w{i}"].value.T


def adam(params, t, lr=0.01, beta1=0.9, beta2=0.999):
    for p in params:
        p.m = beta1 * p.m + (1 - beta1) * p.grad
        p.v = beta2 * p.v + (1 - beta2) * p.grad**2
        m_hat = p.m / (1 - beta1**t)
        v_hat = p.v / (1 - beta2**t)
        p.value -= lr * m_hat / (np.sqrt(v_hat) + 1e-8)


rng = np.random.default_rng(0)
X, y = make_circles(n_samples=300, noise=0.08, factor=0.5, random_state=1)
y = y.reshape(-1, 1)
net = Network()
net.build([2, 16, 8, 1], rng)
for t in range(1, 401):
    p = net.forward(X)
    net.backward(p, y)
    adam(net.params.values(), t)
    if t % 80 == 0:
        loss = -np.mean(y * np.log(p + 1e-12) + (1 - y) * np.log(1 - p + 1e-12))
        print(t, f"{loss:.4f}", "accuracy", ((p > 0.5) == y).mean())
