"""Handwritten digits with a neural network from scratch."""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

digits = load_digits()
X = digits.data / 16.0
Y = np.eye(10)[digits.target]
X_train, X_test, Y_train, Y_test = train_test_split(X, Y, test_size=0.2, random_state=42)


class NeuralNetwork:
    def __init__(self, n_in, n_hidden, n_out, learning_rate=0.1):
        rng = np.random.RandomState(0)
        self.w1 = rng.randn(n_in, n_hidden) * np.sqrt(2 / n_in)
        self.b1 = np.zeros(n_hidden)
        self.w2 = rng.randn(n_hidden, n_out) * np.sqrt(2 / n_hidden)
        self.b2 = np.zeros(n_out)
        self.learning_rate = learning_rate

    def relu(self, z):
        return np.maximum(0, z)

    def softmax(self, z):
        e = np.exp(z - z.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    def forward(self, x):
        self.x = x
        self.z1 = x @ self.w1 + self.b1
        self.a1 = self.relu(self.z1)
        self.z2 = self.a1 @ self.w2 + self.b2
        self.out = self.softmax(self.z2)
        return self.out

    def backward(self, y):
        n = len(y)  # rows in this batch
        dz2 = (self.out - y) / n
        dw2 = self.a1.T @ dz2
        db2 = dz2.sum(axis=0)
        da1 = dz2 @ self.w2.T
        dz1 = da1 * (self.z1 > 0)
        dw1 = self.x.T @ dz1
        db1 = dz1.sum(axis=0)
        self.w1 -= self.learning_rate * dw1
        self.b1 -= self.learning_rate * db1
        self.w2 -= self.learning_rate * dw2  # same for the output layer
        self.b2 -= self.learning_rate * db2

    def loss(self, x, y):
        p = self.forward(x)
        return -np.mean(np.sum(y * np.log(p + 1e-4), axis=1))

    def fit(self, x, y, epochs=20, batch_size=32):
        for epoch in range(epochs):
            order = np.random.permutation(len(x))
            x, y = x[order], y[order]
            for start in range(0, len(x), batch_size):
                xb = x[start : start + batch_size]
                yb = y[start : start + batch_size]
                self.forward(xb)
                self.backward(yb)
            print(f"epoch {epoch + 1}: loss {self.loss(x, y):.4f}")


np.random.seed(0)
net = NeuralNetwork(64, 32, 10)
net.fit(X_train, Y_train)
accuracy = np.mean(net.forward(X_test).argmax(axis=1) == Y_test.argmax(axis=1))
print("test accuracy:", accuracy)
