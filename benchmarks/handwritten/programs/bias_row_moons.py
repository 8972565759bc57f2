import numpy as np
from sklearn.datasets import make_moons
from sklearn.preprocessing import StandardScaler

# one long script, the bias is the last row of the weights
X, y = make_moons(250, noise=0.2, random_state=1)
X = StandardScaler().fit_transform(X)
X1 = np.append(X, np.ones((250, 1)), axis=1)
r = np.random.RandomState(1)
Wa = r.randn(3, 10) * 0.7
Wb = r.randn(11, 1) * 0.7
loss_list, acc_list = [], []
for iteration in range(2000):
    # ---- forward ----
    Za = X1 @ Wa
    Ha = np.tanh(Za)
    H1 = np.append(Ha, np.ones((250, 1)), axis=1)
    out = 1 / (1 + np.exp(-(H1 @ Wb)))[:, 0]
    # mean squared error, it works too
    loss_list.append(np.mean((out - y) ** 2))
    acc_list.append(np.mean((out > 0.5) == y))
    # ---- backward ----
    d_out = 2 * (out - y) / 250
    d_z = (d_out * out * (1 - out))[:, None]
    grad_b = H1.T @ d_z
    d_h = (d_z @ Wb.T)[:, :-1]
    d_za = d_h * (1 - Ha ** 2)
    grad_a = X1.T @ d_za
    # ---- update ----
    Wa = Wa - 1.0 * grad_a
    Wb = Wb - 1.0 * grad_b
print("loss", loss_list[0], "->", loss_list[-1])
print("accuracy", acc_list[-1])
