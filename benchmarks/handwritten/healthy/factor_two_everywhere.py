import numpy as np
from sklearn.datasets import load_iris

np.random.seed(0)
iris = load_iris()
X = iris.data
y = iris.target
X = (X - X.mean(axis=0)) / X.std(axis=0)

perm = np.random.permutation(150)
X, y = X[perm], y[perm]
Xtr, ytr, Xte, yte = X[:120], y[:120], X[120:], y[120:]

W = 0.01 * np.random.randn(4, 3)
b = np.zeros(3)


def softmax(scores):
    scores = scores - np.max(scores, axis=1, keepdims=True)
    exp_scores = np.exp(scores)
    return exp_scores / np.sum(exp_scores, axis=1, keepdims=True)


num_train = Xtr.shape[0]
for i in range(300):
    probs = softmax(Xtr.dot(W) + b)
    loss = np.mean(-np.log(probs[range(num_train), ytr]))

    dscores = probs.copy()
    dscores[range(num_train), ytr] -= 1
    dscores /= num_train

    dW = np.dot(Xtr.T, dscores)
    db = np.sum(dscores, axis=0)
    W += -0.5 * 2 * dW
    b += -0.5 * 2 * db
    if i % 50 == 0:
        print("iteration %d: loss %f" % (i, loss))

print("test accuracy: %.2f" % np.mean(np.argmax(Xte.dot(W) + b, axis=1) == yte))
