import numpy as np
from sklearn.datasets import make_moons

X, y = make_moons(n_samples=400, noise=0.15, random_state=0)
Y = y[None, :].astype(np.float32)
X = X.T.astype(np.float32)

rng = np.random.default_rng(0)
sizes = [2, 16, 8, 1]
layers = [((rng.standard_normal((o, i)) * np.sqrt(2 / i)).astype(np.float32), np.zeros((o, 1), np.float32))
          for i, o in zip(sizes, sizes[1:])]


def minibatches(X, Y, size):
    order = rng.permutation(X.shape[1])
    for s in range(0, len(order), size):
        take = order[s:s + size]
        yield X[:, take], Y[:, take]


def leaky(z, a=np.float32(0.1)):
    return np.where(z > 0, z, a * z)


def leaky_grad(z, a=np.float32(0.1)):
    return np.where(z > 0, np.float32(1), a)


def forward(x):
    acts, pre = [x], []
    for n, (W, b) in enumerate(layers):
        z = W @ acts[-1] + b
        pre.append(z)
        acts.append(leaky(z) if n < len(layers) - 1 else 1 / (1 + np.exp(-z)))
    return acts, pre


def backward(acts, pre, target):
    grads = []
    m = target.shape[1]
    d = (acts[-1] - target) / m
    for n in range(len(layers) - 1, -1, -1):
        W, b = layers[n]
        grads.insert(0, (d @ acts[n].T, d.sum(axis=1, keepdims=True)))
        if n > 0:
            d = (W.T @ d) * leaky_grad(pre[n - 1])
    return grads


lr = np.float32(0.3)
for epoch in range(100):
    total = 0
    for xb, yb in minibatches(X, Y, 40):
        acts, pre = forward(xb)
        p = acts[-1]
        total += float(-(yb * np.log(p + 1e-7) + (1 - yb) * np.log(1 - p + 1e-7)).sum())
        grads = backward(acts, pre, yb)
        layers = [(W - lr * gW, b - lr * gb) for (W, b), (gW, gb) in zip(layers, grads)]
    if epoch % 10 == 0:
        print(epoch, total / X.shape[1])
