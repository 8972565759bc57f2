import numpy as np
from sklearn.datasets import load_iris
from sklearn.preprocessing import OneHotEncoder, StandardScaler

iris = load_iris()
X = StandardScaler().fit_transform(iris.data)
Y = OneHotEncoder().fit_transform(iris.target.reshape(-1, 1)).toarray()

np.random.seed(5)
params = {
    "W1": np.random.randn(4, 10) * 0.5,
    "b1": np.zeros((1, 10)),
    "W2": np.random.randn(10, 3) * 0.5,
    "b2": np.zeros((1, 3)),
}
velocity = {k: np.zeros_like(v) for k, v in params.items()}
learning_rate, mu = 0.05, 0.9


def forward(X):
    Z1 = X @ params["W1"] + params["b1"]
    A1 = 1.7159 * np.tanh(2 / 3 * Z1)
    Z2 = A1 @ params["W2"] + params["b2"]
    expZ = np.exp(Z2 - Z2.max(axis=1, keepdims=True))
    A2 = expZ / expZ.sum(axis=1, keepdims=True)
    return A1, A2


def gradients(X, Y, A1, A2):
    m = X.shape[0]
    dZ2 = (A2 - Y) / m
    grads = {}
    grads["W2"] = A1.T @ dZ2
    grads["b2"] = dZ2.sum(axis=0, keepdims=True)
    dZ1 = dZ2 @ params["W2"].T * (1.7159 * 2 / 3) * (1 - (A1 / 1.7159) ** 2)
    grads["W1"] = X.T @ dZ1
    grads["b1"] = dZ1.sum(axis=0, keepdims=True)
    return grads


for epoch in range(200):
    A1, A2 = forward(X)
    grads = gradients(X, Y, A1, A2)
    for k in params:
        velocity[k] = mu * velocity[k] - learning_rate * grads[k]
        params[k] = params[k] + velocity[k]
    if epoch % 40 == 0:
        loss = -np.mean(np.sum(Y * np.log(A2 + 1e-8), axis=1))
        acc = np.mean(A2.argmax(1) == Y.argmax(1))
        print(f"epoch {epoch} loss {loss:.4f} acc {acc:.3f}")
A1, A2 = forward(X)
print("final accuracy", np.mean(A2.argmax(1) == Y.argmax(1)))
