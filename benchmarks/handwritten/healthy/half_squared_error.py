import numpy as np

# toy regression with layer normalisation in the middle
rng = np.random.default_rng(21)
X = rng.normal(size=(256, 6))
target = np.sin(X[:, :1]) + X[:, 1:2] * X[:, 2:3]


class Linear:
    def __init__(self, i, o):
        self.W = rng.normal(size=(i, o)) / np.sqrt(i)
        self.b = np.zeros((1, o))

    def __call__(self, x):
        self.x = x
        return x @ self.W + self.b

    def back(self, g):
        self.dW = self.x.T @ g
        self.db = g.sum(axis=0, keepdims=True)
        return g @ self.W.T

    def step(self, lr):
        self.W -= lr * self.dW
        self.b -= lr * self.db


class LayerNorm:
    def __init__(self, d):
        self.g = np.ones((1, d))
        self.c = np.zeros((1, d))

    def __call__(self, x):
        self.std = np.sqrt(x.var(axis=1, keepdims=True) + 1e-6)
        self.n = (x - x.mean(axis=1, keepdims=True)) / self.std
        return self.g * self.n + self.c

    def back(self, grad):
        self.dg = (grad * self.n).sum(axis=0, keepdims=True)
        self.dc = grad.sum(axis=0, keepdims=True)
        dn = grad * self.g
        m1 = dn.mean(axis=1, keepdims=True)
        m2 = (dn * self.n).mean(axis=1, keepdims=True)
        return (dn - m1 - self.n * m2) / self.std

    def step(self, lr):
        self.g -= lr * self.dg
        self.c -= lr * self.dc


class Tanh:
    def __call__(self, x):
        self.y = np.tanh(x)
        return self.y

    def back(self, g):
        return g * (1 - self.y**2)

    def step(self, lr):
        pass


model = [Linear(6, 24), LayerNorm(24), Tanh(), Linear(24, 1)]
for epoch in range(40):
    total = 0.0
    for k in range(0, 256, 32):
        h = X[k : k + 32]
        for layer in model:
            h = layer(h)
        diff = h - target[k : k + 32]
        total += float((diff**2).sum())
        grad = diff / 32  # of half the square
        for layer in model[::-1]:
            grad = layer.back(grad)
        for layer in model:
            layer.step(0.1)
    if epoch % 10 == 9:
        print(f"{epoch + 1:3d} {total / 256:.4f}")
