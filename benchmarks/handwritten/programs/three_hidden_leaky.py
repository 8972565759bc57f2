import numpy as np
from sklearn.datasets import load_digits

np.random.seed(42)
d = load_digits()
X = d.data / 16.0
Y = np.eye(10)[d.target]
idx = np.random.permutation(len(X))
X, Y = X[idx], Y[idx]
X_tr, Y_tr, X_te, Y_te = X[:1500], Y[:1500], X[1500:], Y[1500:]

sizes = [64, 48, 32, 24, 10]
W = []
B = []
for i in range(len(sizes) - 1):
    W.append(np.random.randn(sizes[i], sizes[i + 1]) * np.sqrt(2 / sizes[i]))
    B.append(np.zeros(sizes[i + 1]))


def leaky(z):
    return np.where(z > 0, z, 0.01 * z)


def leaky_grad(z):
    return np.where(z > 0, 1, 0.01)


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def feed_forward(x):
    zs = []
    acts = [x]
    for i in range(len(W)):
        z = acts[-1] @ W[i] + B[i]
        zs.append(z)
        acts.append(leaky(z) if i < len(W) - 1 else softmax(z))
    return zs, acts


lr = 0.1
for epoch in range(12):
    perm = np.random.permutation(len(X_tr))
    for k in range(0, len(X_tr), 50):
        xb, yb = X_tr[perm[k:k + 50]], Y_tr[perm[k:k + 50]]
        zs, acts = feed_forward(xb)
        delta = (acts[-1] - yb) / len(xb)
        dWs, dBs = [], []
        for i in reversed(range(len(W))):
            dWs.insert(0, acts[i].T @ delta)
            dBs.insert(0, delta.sum(axis=0))
            if i > 0:
                delta = (delta @ W[i].T) * leaky_grad(zs[i - 1])
        for i in range(len(W)):
            W[i] -= lr * dWs[i]
            B[i] -= lr * dBs[i]
    zs, acts = feed_forward(X_te)
    print(epoch, "accuracy:", (acts[-1].argmax(1) == Y_te.argmax(1)).mean())
