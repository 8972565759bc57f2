import numpy as np

np.random.seed(0)


def make_spirals(points, classes):
    X = np.zeros((points * classes, 2))
    y = np.zeros(points * classes, dtype=int)
    for c in range(classes):
        ix = range(points * c, points * (c + 1))
        r = np.linspace(0.0, 1, points)
        t = np.linspace(c * 4, (c + 1) * 4, points) + np.random.randn(points) * 0.2
        X[ix] = np.c_[r * np.sin(t), r * np.cos(t)]
        y[ix] = c
    return X, y


class Dense:
    def __init__(self, n_inputs, n_neurons):
        self.weights = np.random.randn(n_inputs, n_neurons) * np.sqrt(2 / n_inputs)
        self.biases = np.zeros((1, n_neurons))

    def forward(self, inputs):
        self.inputs = inputs
        return inputs @ self.weights + self.biases

    def backward(self, grad):
        self.dweights = self.inputs.T @ grad
        self.dbiases = grad.sum(axis=0, keepdims=True)
        return grad @ self.weights.T

    def update(self, lr):
        self.weights -= lr * self.dweights
        self.biases -= lr * self.dbiases


class ReLU:
    def forward(self, inputs):
        self.inputs = inputs
        return np.maximum(0, inputs)

    def backward(self, grad):
        return grad * (self.inputs > 0)

    def update(self, lr):
        pass


class SoftmaxCrossEntropy:
    def forward(self, logits, y):
        e = np.exp(logits - logits.max(axis=1, keepdims=True))
        self.probs = e / e.sum(axis=1, keepdims=True)
        self.y = y
        return -np.log(self.probs[range(len(y)), y] + 1e-10).mean()

    def backward(self):
        grad = self.probs.copy()
        grad[range(len(self.y)), self.y] -= 1
        return grad / len(self.y)


class Network:
    def __init__(self, layers):
        self.layers = layers

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, grad):
        for layer in reversed(self.layers):
            grad = layer.backward(grad)

    def step(self, lr):
        for layer in self.layers:
            layer.update(lr)


X, y = make_spirals(100, 3)
model = Network([Dense(2, 48), ReLU(), Dense(48, 24), ReLU(), Dense(24, 3)])
criterion = SoftmaxCrossEntropy()
LEARNING_RATE = 0.3

for epoch in range(150):
    order = np.random.permutation(len(X))
    for i in range(0, len(X), 30):
        batch = order[i : i + 30]
        logits = model.forward(X[batch])
        loss = criterion.forward(logits, y[batch])
        model.backward(criterion.backward())
        model.step(LEARNING_RATE)
    if epoch % 30 == 0:
        print(f"epoch {epoch:4d} loss {loss:.3f}")

print("accuracy", np.mean(model.forward(X).argmax(axis=1) == y))
