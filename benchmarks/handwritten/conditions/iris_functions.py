import numpy as np
from sklearn.datasets import load_iris

rng = np.random.default_rng(0)


def one_hot(labels, k):
    out = np.zeros((labels.shape[0], k))
    out[np.arange(labels.shape[0]), labels] = 1
    return out


def load():
    iris = load_iris()
    X, y = iris.data, iris.target
    idx = rng.permutation(len(X))
    X = X[idx]
    y = y[idx]
    X = (X - X.mean(0)) / X.std(0)
    return X[:120], one_hot(y[:120], 3), X[120:], y[120:]


def softmax(s):
    e = np.exp(s - s.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def step(W, b, x, t, eta, lam):
    p = softmax(x @ W + b)
    g = (p - t) / len(x)
    W = W - eta * (x.T @ g + lam * W)
    b = b - eta * g.sum(axis=0)
    return W, b, -(t * np.log(p + 1e-12)).sum() / len(x)


def train(X, T, eta=0.1, lam=1e-3, epochs=60, size=10):
    W = 0.01 * rng.standard_normal((4, 3))
    b = np.zeros(3)
    history = []
    for epoch in range(epochs):
        order = rng.permutation(len(X))
        for i in range(0, len(X), size):
            pick = order[i : i + size]
            W, b, loss = step(W, b, X[pick], T[pick], eta, lam)
        history.append(loss)
    return W, b, history


X, T, X_test, y_test = load()
W, b, history = train(X, T)
print("last loss", history[-1])
train_acc = (softmax(X @ W + b).argmax(1) == T.argmax(1)).mean()
p = softmax(X_test @ W + b)
print("train accuracy", train_acc, "test loss", -np.log(p[np.arange(30), y_test] + 1e-12).mean())
