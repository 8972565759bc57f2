import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import log_loss
from sklearn.preprocessing import scale

data = load_breast_cancer()
X, y = scale(data.data), data.target.astype(float).reshape(-1, 1)
gen = np.random.default_rng(123)
order = gen.permutation(len(X))
X_tr, y_tr = X[order[:450]], y[order[:450]]
X_va, y_va = X[order[450:]], y[order[450:]]

HIDDEN = 16
LR = 0.1
WD = 1e-3

w_hidden = gen.normal(0, 0.2, (30, HIDDEN))
b_hidden = np.zeros(HIDDEN)
w_out = gen.normal(0, 0.2, (HIDDEN, 1))
b_out = np.zeros(1)


def sigma(t):
    return 1 / (1 + np.exp(-t))


for epoch in range(30):
    gen.shuffle(order[:450])
    X_tr, y_tr = X[order[:450]], y[order[:450]]
    for lo in range(0, 450, 45):
        xb, yb = X_tr[lo:lo + 45], y_tr[lo:lo + 45]
        hid = np.maximum(xb @ w_hidden + b_hidden, 0)
        prob = sigma(hid @ w_out + b_out)

        e = (prob - yb) / len(yb)
        e_hid = (e @ w_out.T) * (hid > 0)

        w_out = w_out - LR * (hid.T @ e + WD * w_out)
        b_out = b_out - LR * e.sum(axis=0)
        w_hidden = w_hidden - LR * (xb.T @ e_hid + WD * w_hidden)
        b_hidden = b_hidden - LR * e_hid.sum(axis=0)

    if epoch % 5 == 4:
        prob_va = sigma(np.maximum(X_va @ w_hidden + b_hidden, 0) @ w_out + b_out)
        print(epoch + 1, "val log loss", log_loss(y_va.ravel(), prob_va.ravel()), "acc", ((prob_va > .5) == y_va).mean())
