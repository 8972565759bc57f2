import numpy as np
from sklearn.datasets import load_wine


class Parameter:
    def __init__(self, data):
        self.data = data
        self.grad = np.zeros_like(data)


class Module:
    def parameters(self):
        found = []
        for v in self.__dict__.values():
            if isinstance(v, Parameter):
                found.append(v)
            elif isinstance(v, Module):
                found += v.parameters()
            elif isinstance(v, list):
                for m in v:
                    found += m.parameters()
        return found


class Linear(Module):
    def __init__(self, fan_in, fan_out):
        bound = 1 / np.sqrt(fan_in)
        self.weight = Parameter(np.random.uniform(-bound, bound, (fan_out, fan_in)))
        self.bias = Parameter(np.random.uniform(-bound, bound, fan_out))

    def forward(self, x):
        self.x = x
        return x @ self.weight.data.T + self.bias.data

    def backward(self, grad):
        self.weight.grad += grad.T @ self.x
        self.bias.grad += grad.sum(axis=0)
        return grad @ self.weight.data


class ReLU(Module):
    def forward(self, x):
        self.keep = x > 0
        return x * self.keep

    def backward(self, grad):
        return grad * self.keep


class Sequential(Module):
    def __init__(self, *layers):
        self.layers = list(layers)

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, grad):
        for layer in reversed(self.layers):
            grad = layer.backward(grad)
        return grad


class CrossEntropyLoss:
    def forward(self, logits, target):
        e = np.exp(logits - logits.max(axis=1, keepdims=True))
        self.p = e / e.sum(axis=1, keepdims=True)
        self.target = target
        return -np.log(self.p[np.arange(len(target)), target]).mean()

    def backward(self):
        g = self.p.copy()
        g[np.arange(len(g)), self.target] -= 1
        return g / len(g)


class SGD:
    def __init__(self, params, lr, momentum=0.0):
        self.params, self.lr, self.momentum = params, lr, momentum
        self.buf = [np.zeros_like(p.data) for p in params]

    def zero_grad(self):
        for p in self.params:
            p.grad[...] = 0

    def step(self):
        for p, b in zip(self.params, self.buf):
            b *= self.momentum
            b += p.grad
            p.data -= self.lr * b


np.random.seed(0)
X, y = load_wine(return_X_y=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)
model = Sequential(Linear(13, 16), ReLU(), Linear(16, 16), ReLU(), Linear(16, 3))
criterion = CrossEntropyLoss()
optimizer = SGD(model.parameters(), lr=0.05, momentum=0.9)
for epoch in range(60):
    order = np.random.permutation(len(X))
    running = 0.0
    for i in range(0, len(X), 30):
        rows = order[i:i + 30]
        if i % 60 == 0:
            optimizer.zero_grad()  # two batches together
        loss = criterion.forward(model.forward(X[rows]), y[rows])
        model.backward(criterion.backward() / 2)
        if i % 60 == 30:
            optimizer.step()
        running += loss
    if epoch % 5 == 0:
        print(f"epoch {epoch}: {running / 6:.4f}")
print("accuracy:", (model.forward(X).argmax(axis=1) == y).mean())
