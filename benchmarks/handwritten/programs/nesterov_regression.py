# linear regression with Nesterov momentum, full batch
import numpy as np

rng = np.random.default_rng(3)
n, d = 200, 5
X = rng.normal(size=(n, d)) * np.array([1.0, 2.0, 0.5, 1.5, 1.0])
true_w = np.array([2.0, -1.0, 3.0, 0.5, -2.5])
y = X @ true_w + 0.7 + 0.1 * rng.normal(size=n)

w = np.zeros(d)
c = 0.0
vw = np.zeros(d)
vc = 0.0
rate = 0.02
mom = 0.8


def grad(w, c):
    r = X @ w + c - y
    return X.T @ r / n, r.sum() / n


for it in range(200):
    # look ahead
    gw, gc = grad(w + mom * vw, c + mom * vc)
    vw = mom * vw - rate * gw
    vc = mom * vc - rate * gc
    w = w + vw
    c = c + vc
    if it % 40 == 0:
        print(it, np.mean((X @ w + c - y) ** 2))
print("found", w.round(2), round(c, 2))
