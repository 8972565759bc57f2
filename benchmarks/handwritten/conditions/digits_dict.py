import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

np.random.seed(0)
digits = load_digits()
X = digits.data / 16.0
y = digits.target
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=1)


def init_params(sizes):
    params = {}
    for l in range(1, len(sizes)):
        params["W" + str(l)] = np.random.randn(sizes[l - 1], sizes[l]) * np.sqrt(2.0 / sizes[l - 1])
        params["b" + str(l)] = np.zeros(sizes[l])
    return params


def relu(z):
    return np.maximum(z, 0)


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def forward(params, X):
    cache = {"A0": X}
    cache["Z1"] = X @ params["W1"] + params["b1"]
    cache["A1"] = relu(cache["Z1"])
    cache["Z2"] = cache["A1"] @ params["W2"] + params["b2"]
    cache["A2"] = softmax(cache["Z2"])
    return cache


def backward(params, cache, Y):
    m = len(Y)
    grads = {}
    dZ2 = (cache["A2"] - Y) / m
    grads["W2"] = cache["A1"].T @ dZ2
    grads["b2"] = dZ2.sum(axis=0)
    dZ1 = (dZ2 @ params["W2"].T) * (cache["Z1"] > 0)
    grads["W1"] = cache["A0"].T @ dZ1
    grads["b1"] = dZ1.sum(axis=0)
    return grads


params = init_params([64, 32, 10])
learning_rate = 0.2
batch_size = 32
epochs = 15

for epoch in range(epochs):
    perm = np.random.permutation(len(X_train))
    X_shuffled, y_shuffled = X_train[perm], y_train[perm]
    total = 0
    for start in range(0, len(X_train), batch_size):
        xb = X_shuffled[start : start + batch_size]
        yb = np.eye(10)[y_shuffled[start : start + batch_size]]
        cache = forward(params, xb)
        total += -np.sum(yb * np.log(cache["A2"] + 1e-8))
        grads = backward(params, cache, yb)
        for key in params:
            params[key] -= learning_rate * grads[key]
    print("epoch", epoch, "loss", total / len(X_train))

test_pred = forward(params, X_test)["A2"].argmax(axis=1)
print("test accuracy", np.mean(test_pred == y_test))
