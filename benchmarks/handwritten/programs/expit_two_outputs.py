import numpy as np
from scipy.special import expit
from sklearn.datasets import make_multilabel_classification

X, T = make_multilabel_classification(n_samples=300, n_features=8, n_classes=3, random_state=0)
X = X / X.max(axis=0)
rs = np.random.RandomState(0)

theta1 = rs.uniform(-0.12, 0.12, (20, 9)) * 4   # the bias is column 0
theta2 = rs.uniform(-0.12, 0.12, (3, 21)) * 4
alpha = 0.8
m = len(X)

for it in range(600):
    a1 = np.hstack([np.ones((m, 1)), X])
    z2 = a1 @ theta1.T
    a2 = np.hstack([np.ones((m, 1)), expit(z2)])
    z3 = a2 @ theta2.T
    h = expit(z3)

    J = -np.sum(T * np.log(h) + (1 - T) * np.log(1 - h)) / m
    if it % 100 == 0:
        print("J =", J)

    d3 = h - T
    d2 = (d3 @ theta2[:, 1:]) * expit(z2) * (1 - expit(z2))
    Theta1_grad = d2.T @ a1 / m
    Theta2_grad = d3.T @ a2 / m
    theta1 -= alpha * Theta1_grad
    theta2 -= alpha * Theta2_grad

print("labels right:", np.mean((h > 0.5) == T))
