import numpy as np
from sklearn.datasets import make_blobs

X, y = make_blobs(n_samples=200, centers=[[-1, 0], [1.5, 1]], cluster_std=2.0, random_state=4)
X = np.c_[np.ones(len(X)), X]   # first column for the bias
y = y[:, np.newaxis]
theta = np.zeros((3, 1))
alpha = 0.3
old_cost = 1e9
iteration = 0
while True:
    h = 1 / (1 + np.exp(-X @ theta))
    cost = -(y * np.log(h) + (1 - y) * np.log(1 - h)).mean()
    if abs(old_cost - cost) < 1e-6 or iteration > 20000:
        break
    old_cost = cost
    gradient = X.T @ (h - y) / len(y)
    theta = theta - alpha * gradient
    iteration += 1
print("stopped after", iteration, "iterations, cost", cost)
print("theta", theta.ravel())
print("accuracy", ((X @ theta > 0) == (y == 1)).mean())
