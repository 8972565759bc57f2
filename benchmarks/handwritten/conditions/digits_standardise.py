import numpy as np
from sklearn.datasets import load_digits

np.random.seed(0)
X, y = load_digits(return_X_y=True)
X = (X - X.mean(axis=0)) / (X.std(axis=0) + 1e-8)
W = np.random.randn(64, 10) * 0.01
b = np.zeros(10)

lr = 0.1
for epoch in range(100):
    scores = X.dot(W) + b
    scores -= scores.max(axis=1, keepdims=True)
    probs = np.exp(scores)
    probs /= probs.sum(axis=1, keepdims=True)
    loss = -np.log(probs[np.arange(len(y)), y] + 1e-12).mean()
    probs[np.arange(len(y)), y] -= 1
    probs /= len(y)
    W -= lr * X.T.dot(probs)
    b -= lr * probs.sum(axis=0)
    if epoch % 10 == 0:
        print(f"Epoch {epoch}: loss = {loss:.4f}")
print("accuracy", (np.argmax(X.dot(W) + b, axis=1) == y).mean())
