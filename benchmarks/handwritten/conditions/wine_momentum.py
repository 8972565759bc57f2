import numpy as np
from sklearn.datasets import load_wine

np.random.seed(0)
wine = load_wine()
X = wine.data
X = (X - X.mean(axis=0)) / X.std(axis=0)
Y = np.eye(3)[wine.target]
perm = np.random.permutation(len(X))
X, Y = X[perm], Y[perm]
X_tr, Y_tr, X_va, Y_va = X[:130], Y[:130], X[130:], Y[130:]


class MLP:
    def __init__(self, layers, lr=0.02, momentum=0.9, weight_decay=1e-4):
        self.lr, self.momentum, self.weight_decay = lr, momentum, weight_decay
        self.W = [np.random.randn(a, b) * np.sqrt(1 / a) for a, b in zip(layers[:-1], layers[1:])]
        self.b = [np.zeros(b) for b in layers[1:]]
        self.vW = [np.zeros_like(w) for w in self.W]
        self.vb = [np.zeros_like(b) for b in self.b]

    def forward(self, x):
        self.a = [x]
        for i, (w, b) in enumerate(zip(self.W, self.b)):
            z = self.a[-1] @ w + b
            if i < len(self.W) - 1:
                self.a.append(np.tanh(z))
            else:
                z = z - z.max(axis=1, keepdims=True)
                e = np.exp(z)
                self.a.append(e / e.sum(axis=1, keepdims=True))
        return self.a[-1]

    def backward(self, y):
        delta = (self.a[-1] - y) / len(y)
        for i in reversed(range(len(self.W))):
            dW = self.a[i].T @ delta + self.weight_decay * self.W[i]
            db = delta.sum(axis=0)
            if i > 0:
                delta = delta @ self.W[i].T * (1 - self.a[i] ** 2)
            self.vW[i] = self.momentum * self.vW[i] - self.lr * dW
            self.vb[i] = self.momentum * self.vb[i] - self.lr * db
            self.W[i] += self.vW[i]
            self.b[i] += self.vb[i]

    def loss(self, x, y):
        return -np.mean(np.sum(y * np.log(self.forward(x) + 1e-12), axis=1))


net = MLP([13, 16, 3])
for epoch in range(100):
    for k in range(0, len(X_tr), 26):
        net.forward(X_tr[k : k + 26])
        net.backward(Y_tr[k : k + 26])
    if epoch % 20 == 0:
        print(f"{epoch:3d} train {net.loss(X_tr, Y_tr):.4f} val {net.loss(X_va, Y_va):.4f}")
print("validation loss", net.loss(X_va, Y_va))
