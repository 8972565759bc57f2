import numpy as np
import matplotlib.pyplot as plt

np.random.seed(0)

X = np.random.uniform(-np.pi, np.pi, (200, 1))
Y = np.sin(X)


class Net:
    def __init__(self):
        self.W1 = np.random.randn(1, 30)
        self.b1 = np.zeros((1, 30))
        self.W2 = np.random.randn(30, 30) * 0.2
        self.b2 = np.zeros((1, 30))
        self.W3 = np.random.randn(30, 1) * 0.2
        self.b3 = np.zeros((1, 1))
        self.errors = []

    def sigmoid(self, z):
        return 1 / (1 + np.exp(-z))

    def forward(self, x):
        self.a1 = self.sigmoid(x @ self.W1 + self.b1)
        self.a2 = np.tanh(self.a1 @ self.W2 + self.b2)
        return self.a2 @ self.W3 + self.b3

    def train(self, X, Y, lr=0.1, epochs=3000):
        n = X.shape[0]
        for epoch in range(epochs):
            pred = self.forward(X)
            self.errors.append(np.mean(np.abs(pred - Y)))

            d3 = 2 * (pred - Y) / n
            d2 = (d3 @ self.W3.T) * (1 - self.a2 ** 2)
            d1 = (d2 @ self.W2.T) * self.a1 * (1 - self.a1)

            self.W3 -= lr * self.a2.T @ d3
            self.b3 -= lr * np.sum(d3, axis=0, keepdims=True)
            self.W2 -= lr * self.a1.T @ d2
            self.b2 -= lr * np.sum(d2, axis=0, keepdims=True)
            self.W1 -= lr * X.T @ d1
            self.b1 -= lr * np.sum(d1, axis=0, keepdims=True)


net = Net()
net.train(X, Y)
print("final error", net.errors[-1])

fig, ax = plt.subplots(1, 2)
ax[0].plot(net.errors)
xs = np.linspace(-np.pi, np.pi, 100).reshape(-1, 1)
ax[1].plot(xs, np.sin(xs), label="sin")
ax[1].plot(xs, net.forward(xs), label="net")
ax[1].legend()
plt.show()
