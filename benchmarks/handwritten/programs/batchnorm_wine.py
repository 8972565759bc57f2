import numpy as np
from sklearn.datasets import load_wine

np.random.seed(12)
X, t = load_wine(return_X_y=True)
X = (X - X.mean(0)) / X.std(0)
T = np.eye(3)[t]
order = np.random.permutation(len(X))
X, T = X[order], T[order]

D, H, C = 13, 20, 3
w1 = np.random.randn(D, H) * np.sqrt(2.0 / D)
gamma, beta = np.ones(H), np.zeros(H)
w2 = np.random.randn(H, C) * np.sqrt(2.0 / H)
b2 = np.zeros(C)
running_mean, running_var = np.zeros(H), np.ones(H)
eps = 1e-5
lr = 0.05


def bn_forward(x):
    mu = x.mean(axis=0)
    var = x.var(axis=0)
    xhat = (x - mu) / np.sqrt(var + eps)
    return gamma * xhat + beta, (xhat, var), mu, var


def bn_backward(dout, cache):
    xhat, var = cache
    N = len(dout)
    dgamma = (dout * xhat).sum(axis=0)
    dbeta = dout.sum(axis=0)
    dxhat = dout * gamma
    dx = (dxhat - dxhat.mean(axis=0) - xhat * (dxhat * xhat).mean(axis=0)) / np.sqrt(var + eps)
    return dx, dgamma, dbeta


for epoch in range(20):
    for i in range(0, 140, 35):
        x, y = X[i:i + 35], T[i:i + 35]
        a = x @ w1
        n, cache, mu, var = bn_forward(a)
        running_mean = 0.9 * running_mean + 0.1 * mu
        running_var = 0.9 * running_var + 0.1 * var
        h = np.maximum(n, 0)
        s = h @ w2 + b2
        e = np.exp(s - s.max(axis=1, keepdims=True))
        p = e / e.sum(axis=1, keepdims=True)
        loss = -(y * np.log(p)).sum() / len(x)

        ds = (p - y) / len(x)
        dw2 = h.T @ ds
        db2 = ds.sum(axis=0)
        dh = ds @ w2.T
        dn = dh * (n > 0)
        da, dgamma, dbeta = bn_backward(dn, cache)
        dw1 = x.T @ da

        w1 -= lr * dw1
        gamma -= lr * dgamma
        beta -= lr * dbeta
        w2 -= lr * dw2
        b2 -= lr * db2
    if epoch % 5 == 4:
        print("epoch", epoch + 1, "loss", loss)

xt = X[140:] @ w1
nt = gamma * (xt - running_mean) / np.sqrt(running_var + eps) + beta
pred = np.argmax(np.maximum(nt, 0) @ w2 + b2, axis=1)
print("test accuracy", np.mean(pred == T[140:].argmax(axis=1)))
