import numpy as np
from collections import namedtuple

Layer = namedtuple("Layer", ["w", "b", "act"])

np.random.seed(42)


def make_data(n):
    pts = np.random.uniform(-1, 1, (n, 2))
    labels = (pts[:, 0] ** 2 + pts[:, 1] ** 2 < 0.5).astype(float)
    return pts, labels


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


relu = lambda z: np.maximum(z, 0)

layers = [
    Layer(np.random.randn(6, 2), np.zeros(6), relu),
    Layer(np.random.randn(4, 6) * 0.6, np.zeros(4), relu),
    Layer(np.random.randn(1, 4) * 0.6, np.zeros(1), sigmoid),
]


def forward(x):
    values = [x]
    pre = []
    for layer in layers:
        z = layer.w @ values[-1] + layer.b
        pre.append(z)
        values.append(layer.act(z))
    return pre, values


X, Y = make_data(400)
lr = 0.05
for epoch in range(40):
    wrong = 0
    for x, y in zip(X, Y):
        pre, values = forward(x)
        p = values[-1][0]
        wrong += (p > 0.5) != y
        # cross entropy through a sigmoid
        d = np.array([p - y])
        new_layers = [None, None, None]
        for i in (2, 1, 0):
            if i < 2:
                d = d * (pre[i] > 0)
            gw = np.outer(d, values[i])
            gb = d
            d = layers[i].w.T @ d
            new_layers[i] = layers[i]._replace(w=layers[i].w - lr * gw, b=layers[i].b - lr * gb)
        layers = new_layers
    if epoch % 10 == 9:
        print("epoch", epoch + 1, "wrong:", wrong, "of", len(X))
