import numpy as np
from sklearn.datasets import load_diabetes

data = load_diabetes()
X = (data.data - data.data.mean(0)) / data.data.std(0)
y = ((data.target - data.target.mean()) / data.target.std())[:, None]

rng = np.random.default_rng(4)
d, h = X.shape[1], 16

A = rng.normal(size=(d, h)) * 0.3
a = np.zeros((1, h))
B1 = rng.normal(size=(h, h)) * 0.2
B2 = rng.normal(size=(h, h)) * 0.2
V = rng.normal(size=(h, 1)) * 0.2
v = np.zeros((1, 1))


def relu(z):
    return np.maximum(z, 0.0)


lr = 0.02
N = len(X)
for epoch in range(300):
    # stem
    h0 = np.tanh(X @ A + a)
    # residual block h1 = h0 + relu(h0 B1) B2
    u = h0 @ B1
    r = relu(u)
    h1 = h0 + r @ B2
    out = h1 @ V + v
    err = out - y
    mse = (err**2).mean()

    dout = 2 * err / N
    dV = h1.T @ dout
    dv = dout.sum(axis=0, keepdims=True)
    dh1 = dout @ V.T
    dB2 = r.T @ dh1
    dr = dh1 @ B2.T
    du = dr * (u > 0)
    dB1 = h0.T @ du
    dh0 = dh1 + du @ B1.T  # the skip connection and the branch
    dz0 = dh0 * (1 - h0**2)
    dA = X.T @ dz0
    da = dz0.sum(axis=0, keepdims=True)

    for p, g in ((A, dA), (a, da), (B1, dB1), (B2, dB2), (V, dV), (v, dv)):
        p -= lr * g
    if epoch % 50 == 0:
        print(f"epoch {epoch}: mse {mse:.4f}")
print("R2 on the training data", 1 - mse)
