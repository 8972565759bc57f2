import numpy as np
from collections import namedtuple

np.random.seed(0)
Params = namedtuple("Params", "W1 b1 W2 b2")

x = np.random.uniform(-3, 3, (200, 1))
y = 2 * np.sin(2 * x) + 0.5 * x + 0.1 * np.random.randn(200, 1)


def initialize(hidden):
    return Params(
        W1=np.random.randn(1, hidden),
        b1=np.random.randn(1, hidden),
        W2=np.random.randn(hidden, 1) / np.sqrt(hidden),
        b2=np.zeros((1, 1)),
    )


def predict(p, x):
    h = np.tanh(x @ p.W1 + p.b1)
    return h @ p.W2 + p.b2, h


def gradients(p, x, y):
    out, h = predict(p, x)
    n = len(x)
    loss = ((out - y) ** 2).mean()
    d = 2 * (out - y) / n
    dh = d @ p.W2.T * (1 - h**2)
    return loss, Params(x.T @ dh, dh.sum(0, keepdims=True), h.T @ d, d.sum(0, keepdims=True))


p = initialize(20)
step_size = 0.05
n_steps = 4000
for i in range(n_steps):
    idx = np.random.randint(0, len(x), 32)
    loss, g = gradients(p, x[idx], y[idx])
    p = Params(*[w - step_size * dw for w, dw in zip(p, g)])
    if i % 500 == 0:
        print(i, loss)

print("mse", ((predict(p, x)[0] - y) ** 2).mean())
