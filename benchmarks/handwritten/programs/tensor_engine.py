# a very small autograd for numpy arrays
import numpy as np


class Tensor:
    def __init__(self, data, parents=()):
        self.data = np.asarray(data, dtype=float)
        self.grad = np.zeros_like(self.data)
        self.parents = parents
        self._backward = lambda: None

    def __matmul__(self, other):
        out = Tensor(self.data @ other.data, (self, other))

        def _backward():
            self.grad += out.grad @ other.data.T
            other.grad += self.data.T @ out.grad

        out._backward = _backward
        return out

    def __add__(self, other):
        out = Tensor(self.data + other.data, (self, other))

        def _backward():
            self.grad += out.grad
            g = out.grad
            if other.data.shape != g.shape:
                g = g.sum(axis=0)  # undo the broadcast of the bias
            other.grad += g

        out._backward = _backward
        return out

    def relu(self):
        out = Tensor(np.maximum(self.data, 0), (self,))

        def _backward():
            self.grad += (self.data > 0) * out.grad

        out._backward = _backward
        return out

    def cross_entropy(self, labels):
        z = self.data - self.data.max(axis=1, keepdims=True)
        p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
        n = len(labels)
        out = Tensor(-np.log(p[np.arange(n), labels]).mean(), (self,))

        def _backward():
            d = p.copy()
            d[np.arange(n), labels] -= 1
            self.grad += out.grad * d / n

        out._backward = _backward
        return out

    def backward(self):
        topo, seen = [], set()

        def visit(t):
            if id(t) not in seen:
                seen.add(id(t))
                for q in t.parents:
                    visit(q)
                topo.append(t)

        visit(self)
        self.grad = np.ones_like(self.data)
        for t in reversed(topo):
            t._backward()


rng = np.random.default_rng(7)
centers = rng.normal(size=(4, 2)) * 2
labels = rng.integers(0, 4, 320)
X = centers[labels] + 0.6 * rng.normal(size=(320, 2))

w1 = Tensor(rng.normal(size=(2, 16)))
b1 = Tensor(np.zeros(16))
w2 = Tensor(rng.normal(size=(16, 4)) * 0.3)
b2 = Tensor(np.zeros(4))
params = [w1, b1, w2, b2]

for epoch in range(150):
    for p in params:
        p.grad = np.zeros_like(p.data)
    logits = (Tensor(X) @ w1 + b1).relu() @ w2 + b2
    loss = logits.cross_entropy(labels)
    loss.backward()
    for p in params:
        p.data -= 0.2 * p.grad
    if epoch % 25 == 0:
        acc = (logits.data.argmax(axis=1) == labels).mean()
        print(epoch, float(loss.data), acc)
