"""Layers as classes, each with forward, backward and a cache; mean squared error."""

import numpy as np


class Linear:
    def __init__(self, w, b):
        self.w, self.b = w, b

    def forward(self, x):
        self.cache = x
        return np.dot(x, self.w) + self.b

    def backward(self, grad):
        x = self.cache
        self.dw = np.dot(x.T, grad)
        self.db = grad.sum(axis=0, keepdims=True)
        return np.dot(grad, self.w.T)


class ReLU:
    def forward(self, x):
        self.cache = x
        return np.maximum(0, x)

    def backward(self, grad):
        return grad * (self.cache > 0)


class Sigmoid:
    def forward(self, x):
        self.cache = 1 / (1 + np.exp(-x))
        return self.cache

    def backward(self, grad):
        s = self.cache
        return grad * s * (1 - s)


class MSELoss:
    def forward(self, pred, target):
        self.cache = pred, target
        return ((pred - target) ** 2).mean()

    def backward(self):
        pred, target = self.cache
        return 2 * (pred - target) / pred.size


random = np.random.RandomState(3)
x, t = random.randn(9, 4), random.rand(9, 2)
params = {
    "w1": random.randn(4, 7) * 0.6,
    "b1": np.zeros((1, 7)),
    "w2": random.randn(7, 7) * 0.5,
    "b2": np.zeros((1, 7)),
    "w3": random.randn(7, 2) * 0.5,
    "b3": np.zeros((1, 2)),
}


class Net:
    def __init__(self, p):
        self.layers = [
            Linear(p["w1"], p["b1"]),
            ReLU(),
            Linear(p["w2"], p["b2"]),
            ReLU(),
            Linear(p["w3"], p["b3"]),
            Sigmoid(),
        ]
        self.criterion = MSELoss()

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return self.criterion.forward(x, t)

    def backward(self):
        grad = self.criterion.backward()
        for layer in self.layers[::-1]:
            grad = layer.backward(grad)


def loss(params):
    return Net(params).forward(x)


def grads(params):
    net = Net(params)
    net.forward(x)
    net.backward()
    out = {}
    for i, layer in enumerate(net.layers[::2]):
        out[f"w{i + 1}"], out[f"b{i + 1}"] = layer.dw, layer.db
    return out


PLANTED = [
    ("constant-factor", "return 2 * (pred - target) / pred.size", "return (pred - target) / pred.size"),
    ("batch-factor", "2 * (pred - target) / pred.size", "2 * (pred - target)"),
    ("batch-factor", "2 * (pred - target) / pred.size", "2 * (pred - target) / pred.size / len(pred)"),
    ("batch-factor", "self.dw = np.dot(x.T, grad)", "self.dw = np.dot(x.T, grad) / x.shape[0]"),
    ("sign", "return 2 * (pred", "return -2 * (pred"),
    ("sign", "grad * s * (1 - s)", "grad * s * (s - 1)"),
    (
        "transpose",
        "return np.dot(grad, self.w.T)",
        "return np.dot(grad, self.w.T if self.w.shape[0] != self.w.shape[1] else self.w)",
    ),
    ("missing-broadcast-sum", "self.db = grad.sum(axis=0, keepdims=True)", "self.db = grad"),
    ("missing-broadcast-sum", "grad.sum(axis=0, keepdims=True)", "grad[:1]"),
    ("missing-activation-derivative", "return grad * s * (1 - s)", "return grad"),
    ("missing-activation-derivative", "return grad * (self.cache > 0)", "return grad"),
    ("derivative-at-wrong-point", "        s = self.cache\n", "        s = 1 / (1 + np.exp(-self.cache))\n"),
    (
        "derivative-at-wrong-point",
        "        self.cache = 1 / (1 + np.exp(-x))\n        return self.cache",
        "        self.cache = x\n        return 1 / (1 + np.exp(-x))",
    ),
    ("wrong-mask", "grad * (self.cache > 0)", "grad * (self.cache < 0)"),
    ("wrong-mask", "grad * (self.cache > 0)", "grad * (grad > 0)"),
    (
        "wrong-mask",
        "        for layer in self.layers[::-1]:",
        "        self.layers[3].cache = self.layers[1].cache\n        for layer in self.layers[::-1]:",
    ),
    ("zero-gradient", "self.db = grad.sum(axis=0, keepdims=True)", "self.db = np.zeros_like(self.b)"),
    ("zero-gradient", 'out[f"b{i + 1}"] = layer.dw, layer.db', 'out[f"b{i + 1}"] = layer.dw if i else None, layer.db'),
    ("stale-value", "    net.backward()", "    net.layers[4].cache = net.layers[2].cache\n    net.backward()"),
    (
        "stale-value",
        "    net.backward()",
        "    net.layers[2].w = OLD\n    net.backward()",
        "def loss",
        'OLD = params["w2"].copy()\n\n\ndef loss',
    ),
    ("swapped-tensors", "    return out", '    out["b1"], out["b2"] = out["b2"], out["b1"]\n    return out'),
    ("missing-step", "self.dw = np.dot(x.T, grad)", "self.dw = np.dot(x[:-1].T, grad[:-1])"),
    (
        "accumulated",
        "self.dw = np.dot(x.T, grad)",
        "DW[self.w.shape] = self.dw = DW.get(self.w.shape, 0) + np.dot(x.T, grad)",
        "class ReLU",
        "DW = {}\n\n\nclass ReLU",
    ),
    ("clipped", "self.dw = np.dot(x.T, grad)", "self.dw = np.clip(np.dot(x.T, grad), -0.004, 0.004)"),
    (
        "wrong-loss",
        "return ((pred - target) ** 2).mean()",
        "return -(target * np.log(pred) + (1 - target) * np.log(1 - pred)).mean()",
    ),
    ("wrong-loss", "return 2 * (pred - target) / pred.size", "return np.sign(pred - target) / pred.size"),
    (
        "updated-too-early",
        "        return np.dot(grad, self.w.T)",
        "        self.w -= 0.9 * self.dw\n        return np.dot(grad, self.w.T)",
    ),
    ("outer-product", "self.dw = np.dot(x.T, grad)", "self.dw = np.outer(x.sum(axis=0), grad.sum(axis=0))"),
]
