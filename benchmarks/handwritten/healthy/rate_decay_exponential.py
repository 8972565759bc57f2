import numpy as np
from sklearn.datasets import load_diabetes

X, y = load_diabetes(return_X_y=True)
X = (X - X.mean(0)) / X.std(0)
y = (y - y.mean()) / y.std()
y = y.reshape(-1, 1)

rng = np.random.default_rng(0)
idx = rng.permutation(len(X))
train, test = idx[:350], idx[350:]

lam = 0.01
eta = 0.02
theta = rng.normal(size=(X.shape[1], 1)) * 0.1
intercept = np.zeros((1, 1))


def cost(X, y, theta, intercept):
    resid = X @ theta + intercept - y
    return float(np.mean(resid**2) + lam * np.sum(theta**2))


history = []
for epoch in range(40):
    eta = 0.02 * 0.95**epoch
    order = rng.permutation(train)
    for i in range(0, len(order), 50):
        batch = order[i : i + 50]
        xb, yb = X[batch], y[batch]
        resid = xb @ theta + intercept - yb
        grad_theta = 2 * xb.T @ resid / len(xb) + 2 * lam * theta
        grad_intercept = 2 * resid.mean(axis=0, keepdims=True)
        theta = theta - eta * grad_theta
        intercept = intercept - eta * grad_intercept
    history.append(cost(X[train], y[train], theta, intercept))

print("train cost", history[0], "->", history[-1])
resid = X[test] @ theta + intercept - y[test]
print("test R2:", 1 - np.sum(resid**2) / np.sum((y[test] - y[test].mean()) ** 2))
