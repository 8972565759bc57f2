import numpy as np
from sklearn.datasets import make_moons

np.random.seed(0)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


class NeuralNetwork:
    def __init__(self, n_in, n_hidden, n_out):
        self.W1 = np.random.randn(n_in, n_hidden)
        self.b1 = np.zeros((1, n_hidden))
        self.W2 = np.random.randn(n_hidden, n_out)
        self.b2 = np.zeros((1, n_out))

    def forward(self, X):
        self.z1 = X @ self.W1 + self.b1
        self.a1 = np.tanh(self.z1)
        self.z2 = self.a1 @ self.W2 + self.b2
        self.yhat = sigmoid(self.z2)
        return self.yhat

    def backward(self, X, y):
        m = X.shape[0]
        dz2 = self.yhat - y
        dW2 = self.a1.T @ dz2 / m
        db2 = dz2.sum(axis=0, keepdims=True) / m
        dz1 = dz2 @ self.W2.T * (1 - self.a1**2)
        dW1 = X.T @ dz1 / m
        db1 = dz1.sum(axis=0, keepdims=True) / m
        return dW1, db1, dW2, db2

    def fit(self, X, y, epochs=3000, lr=0.5):
        for epoch in range(epochs):
            yhat = self.forward(X)
            loss = -np.mean(y * np.log(yhat + 1e-9) + (1 - y) * np.log(1 - yhat + 1e-9))
            dW1, db1, dW2, db2 = self.backward(X, y)
            self.W1 -= lr * dW1
            self.b1 -= lr * db1
            self.W2 -= lr * dW2
            self.b2 -= lr * db2
            if epoch % 500 == 0:
                print(f"epoch {epoch}: loss {loss:.4f}")

    def predict(self, X):
        return (self.forward(X) > 0.5).astype(int)


X, y = make_moons(n_samples=300, noise=0.15)
y = y.reshape(-1, 1)
nn = NeuralNetwork(2, 8, 1)
nn.fit(X, y)
print("accuracy", (nn.predict(X) == y).mean())
