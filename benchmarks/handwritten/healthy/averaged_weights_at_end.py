import sys
import numpy as np
from sklearn.datasets import load_digits

# usage: python train.py [epochs] [learning rate]
epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 10
lr = float(sys.argv[2]) if len(sys.argv) > 2 else 0.5

digits = load_digits()
X = digits.data / 16
y = digits.target
Xtrain, ytrain = X[:1400], y[:1400]
Xtest, ytest = X[1400:], y[1400:]

W = np.zeros((64, 10))
b = np.zeros(10)


def softmax(z):
    z = np.exp(z - np.max(z, axis=1)[:, None])
    return z / np.sum(z, axis=1)[:, None]


def accuracy(X, y):
    return np.mean(np.argmax(X.dot(W) + b, axis=1) == y)


def main():
    global W, b
    rng = np.random.RandomState(0)
    avg_W, avg_b, n = np.zeros_like(W), np.zeros_like(b), 0
    for epoch in range(epochs):
        idx = rng.permutation(len(Xtrain))
        for start in range(0, len(idx), 20):
            batch = idx[start:start + 20]
            x, t = Xtrain[batch], np.eye(10)[ytrain[batch]]
            p = softmax(x.dot(W) + b)
            g = (p - t) / len(batch)
            W = W - lr * x.T.dot(g)
            b = b - lr * g.sum(axis=0)
            avg_W += W
            avg_b += b
            n += 1
        print("epoch", epoch, "train", accuracy(Xtrain, ytrain), "test", accuracy(Xtest, ytest))
    W, b = avg_W / n, avg_b / n
    print("averaged", accuracy(Xtest, ytest))


main()
