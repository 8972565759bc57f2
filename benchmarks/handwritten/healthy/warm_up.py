import numpy as np
from sklearn.datasets import make_moons


class Adam:
    def __init__(self, lr=0.01, beta1=0.9, beta2=0.999):
        self.lr = lr
        self.beta1 = beta1
        self.beta2 = beta2
        self.iter = 0
        self.m = None
        self.v = None

    def update(self, params, grads):
        if self.m is None:
            self.m, self.v = {}, {}
            for key, val in params.items():
                self.m[key] = np.zeros_like(val)
                self.v[key] = np.zeros_like(val)

        self.iter += 1
        lr_t = self.lr * np.sqrt(1.0 - self.beta2**self.iter) / (1.0 - self.beta1**self.iter)

        for key in params.keys():
            self.m[key] += (1 - self.beta1) * (grads[key] - self.m[key])
            self.v[key] += (1 - self.beta2) * (grads[key] ** 2 - self.v[key])
            params[key] -= lr_t * self.m[key] / (np.sqrt(self.v[key]) + 1e-7)


class Affine:
    def __init__(self, W, b):
        self.W = W
        self.b = b

    def forward(self, x):
        self.x = x
        return np.dot(x, self.W) + self.b

    def backward(self, dout):
        dx = np.dot(dout, self.W.T)
        self.dW = np.dot(self.x.T, dout)
        self.db = np.sum(dout, axis=0)
        return dx


class Relu:
    def forward(self, x):
        self.mask = x <= 0
        out = x.copy()
        out[self.mask] = 0
        return out

    def backward(self, dout):
        dout[self.mask] = 0
        return dout


class SigmoidWithLoss:
    def forward(self, x, t):
        self.t = t
        self.y = 1 / (1 + np.exp(-x))
        return -np.mean(t * np.log(self.y + 1e-7) + (1 - t) * np.log(1 - self.y + 1e-7))

    def backward(self, dout=1):
        return (self.y - self.t) * dout / len(self.t)


class TwoLayerNet:
    def __init__(self, input_size, hidden_size):
        self.params = {
            "W1": np.random.randn(input_size, hidden_size) * 0.5,
            "b1": np.zeros(hidden_size),
            "W2": np.random.randn(hidden_size, 1) * 0.5,
            "b2": np.zeros(1),
        }
        self.affine1 = Affine(self.params["W1"], self.params["b1"])
        self.relu = Relu()
        self.affine2 = Affine(self.params["W2"], self.params["b2"])
        self.last = SigmoidWithLoss()

    def predict(self, x):
        return self.affine2.forward(self.relu.forward(self.affine1.forward(x)))

    def gradient(self, x, t):
        loss = self.last.forward(self.predict(x), t)
        dout = self.last.backward()
        dout = self.affine2.backward(dout)
        dout = self.relu.backward(dout)
        self.affine1.backward(dout)
        grads = {"W1": self.affine1.dW, "b1": self.affine1.db, "W2": self.affine2.dW, "b2": self.affine2.db}
        return loss, grads


np.random.seed(0)
x_train, t_train = make_moons(400, noise=0.15, random_state=0)
t_train = t_train[:, None]
net = TwoLayerNet(2, 20)
optimizer = Adam(lr=0.01)
for i in range(1000):
    batch_mask = np.random.choice(400, 50)
    loss, grads = net.gradient(x_train[batch_mask], t_train[batch_mask])
    optimizer.lr = 0.01 * min(1.0, (i + 1) / 100)  # warm up
    optimizer.update(net.params, grads)
    if i % 200 == 0:
        acc = np.mean((net.predict(x_train) > 0) == t_train)
        print(f"{i} loss {loss:.3f} acc {acc:.3f}")
print("accuracy", np.mean((net.predict(x_train) > 0) == t_train))
