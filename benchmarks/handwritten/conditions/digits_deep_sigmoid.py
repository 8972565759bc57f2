import numpy as np
from sklearn.datasets import load_digits

np.random.seed(0)
digits = load_digits()
X, t = digits.data / 16, digits.target
T = np.eye(10)[t]


def act(z):
    return np.maximum(0, z)


def act_prime(a):
    return (a > 0).astype(float)


sizes = [64, 32, 32, 32, 32, 10]
weights = [np.random.randn(i, j) * np.sqrt(2 / i) for i, j in zip(sizes, sizes[1:])]
biases = [np.zeros(j) for j in sizes[1:]]
lr = 0.1

for epoch in range(20):
    idx = np.random.permutation(len(X))
    for s in range(0, len(X), 64):
        batch = idx[s : s + 64]
        activations = [X[batch]]
        for w, b in zip(weights[:-1], biases[:-1]):
            activations.append(act(activations[-1] @ w + b))
        z = activations[-1] @ weights[-1] + biases[-1]
        e = np.exp(z - z.max(1, keepdims=True))
        out = e / e.sum(1, keepdims=True)
        delta = (out - T[batch]) / len(batch)
        for l in range(len(weights) - 1, -1, -1):
            dw = activations[l].T @ delta
            db = delta.sum(0)
            if l:
                delta = (delta @ weights[l].T) * act_prime(activations[l])
            weights[l] -= lr * dw
            biases[l] -= lr * db
    loss = -np.log(out[np.arange(len(batch)), t[batch]] + 1e-9).mean()
    print(epoch, round(loss, 4))

a = X
for w, b in zip(weights[:-1], biases[:-1]):
    a = act(a @ w + b)
print("accuracy", ((a @ weights[-1] + biases[-1]).argmax(1) == t).mean())
