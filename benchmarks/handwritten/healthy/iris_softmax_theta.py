import numpy as np
from sklearn import datasets
from sklearn.model_selection import train_test_split

iris = datasets.load_iris()
X = iris.data
Y = np.eye(3)[iris.target]
X = (X - X.mean(axis=0)) / X.std(axis=0)
X = np.hstack([np.ones((X.shape[0], 1)), X])
X_train, X_test, Y_train, Y_test = train_test_split(X, Y, test_size=0.3, random_state=42)


def softmax(z):
    e = np.exp(z - z.max(axis=1)[:, None])
    return e / e.sum(axis=1)[:, None]


def cost(theta, X, Y, lam):
    m = len(X)
    h = softmax(X @ theta)
    return -(Y * np.log(h + 1e-12)).sum() / m + lam / (2 * m) * (theta[1:] ** 2).sum()


def gradient(theta, X, Y, lam):
    m = len(X)
    h = softmax(X @ theta)
    grad = X.T @ (h - Y) / m
    grad[1:] += lam / m * theta[1:]
    return grad


theta = np.zeros((X.shape[1], 3))
alpha = 0.3
lam = 0.1
J_history = []
for epoch in range(400):
    theta = theta - alpha * gradient(theta, X_train, Y_train, lam)
    J_history.append(cost(theta, X_train, Y_train, lam))
    if epoch % 50 == 0:
        print(f"epoch {epoch:4d}  J = {J_history[-1]:.4f}")
pred = (X_test @ theta).argmax(axis=1)
print("test accuracy:", (pred == Y_test.argmax(axis=1)).mean())
