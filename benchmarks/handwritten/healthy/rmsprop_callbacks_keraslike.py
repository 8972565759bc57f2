import numpy as np
from sklearn.datasets import load_diabetes


class Dense:
    def __init__(self, units, activation=None):
        self.units = units
        self.activation = activation

    def build(self, n_in):
        limit = np.sqrt(6 / (n_in + self.units))
        self.W = np.random.uniform(-limit, limit, (n_in, self.units))
        self.b = np.zeros((1, self.units))
        return self.units

    def forward(self, x):
        self.x = x
        self.z = x @ self.W + self.b
        return np.tanh(self.z) if self.activation == 'tanh' else self.z

    def backward(self, g):
        if self.activation == 'tanh':
            g = g * (1 - np.tanh(self.z) ** 2)
        self.gW = self.x.T @ g
        self.gb = g.sum(axis=0, keepdims=True)
        return g @ self.W.T


class RMSprop:
    def __init__(self, lr=0.001, rho=0.9, epsilon=1e-7):
        self.lr, self.rho, self.epsilon = lr, rho, epsilon
        self.cache = {}

    def update(self, layer, key, grad):
        c = self.cache.setdefault((id(layer), key), np.zeros_like(grad))
        c[...] = self.rho * c + (1 - self.rho) * grad ** 2
        value = getattr(layer, key)
        value -= self.lr * grad / (np.sqrt(c) + self.epsilon)


class Logger:
    def __init__(self):
        self.history = []

    def on_epoch_end(self, epoch, logs):
        self.history.append(logs['loss'])
        if epoch % 20 == 0:
            print('epoch', epoch, logs)


class Sequential:
    def __init__(self, layers):
        self.layers = layers

    def compile(self, optimizer):
        self.optimizer = optimizer

    def fit(self, X, y, epochs, batch_size, callbacks=()):
        n = X.shape[1]
        for layer in self.layers:
            n = layer.build(n)
        for epoch in range(epochs):
            order = np.random.permutation(len(X))
            losses = []
            for start in range(0, len(X), batch_size):
                idx = order[start:start + batch_size]
                losses.append(self.train_on_batch(X[idx], y[idx]))
            for callback in callbacks:
                callback.on_epoch_end(epoch, {'loss': np.mean(losses)})

    def train_on_batch(self, x, y):
        out = x
        for layer in self.layers:
            out = layer.forward(out)
        loss = np.mean((out - y) ** 2)
        g = 2 * (out - y) / out.size
        for layer in reversed(self.layers):
            g = layer.backward(g)
        for layer in self.layers:
            self.optimizer.update(layer, 'W', layer.gW)
            self.optimizer.update(layer, 'b', layer.gb)
        return loss


np.random.seed(2)
data = load_diabetes()
X = data.data / data.data.std(0)
y = ((data.target - data.target.mean()) / data.target.std()).reshape(-1, 1)
model = Sequential([Dense(16, 'tanh'), Dense(8, 'tanh'), Dense(1)])
model.compile(RMSprop(lr=0.002))
log = Logger()
model.fit(X, y, epochs=100, batch_size=32, callbacks=[log])
