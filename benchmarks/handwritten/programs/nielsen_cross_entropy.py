# network for (x, y) tuples of columns: cross entropy, L2, momentum
import random
import numpy as np
from sklearn.datasets import load_iris


class CrossEntropyCost:
    @staticmethod
    def fn(a, y):
        return np.sum(np.nan_to_num(-y * np.log(a) - (1 - y) * np.log(1 - a)))

    @staticmethod
    def delta(a, y):
        return a - y


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


class Network2:
    def __init__(self, sizes, cost=CrossEntropyCost):
        self.sizes = sizes
        self.cost = cost
        self.biases = [np.random.randn(y, 1) for y in sizes[1:]]
        self.weights = [np.random.randn(y, x) / np.sqrt(x) for x, y in zip(sizes[:-1], sizes[1:])]
        self.vw = [np.zeros(w.shape) for w in self.weights]
        self.vb = [np.zeros(b.shape) for b in self.biases]

    def feedforward(self, a):
        for b, w in zip(self.biases, self.weights):
            a = sigmoid(np.dot(w, a) + b)
        return a

    def SGD(self, training_data, epochs, size, eta, lmbda=0.0, mu=0.5):
        n = len(training_data)
        for j in range(epochs):
            random.shuffle(training_data)
            for k in range(0, n, size):
                self.update(training_data[k:k + size], eta, lmbda, mu, n)
            cost = sum(self.cost.fn(self.feedforward(x), y) for x, y in training_data) / n
            print("Epoch", j, "cost", cost, "correct", self.accuracy(training_data), "of", n)

    def update(self, batch, eta, lmbda, mu, n):
        sum_w = [np.zeros(w.shape) for w in self.weights]
        sum_b = [np.zeros(b.shape) for b in self.biases]
        for x, y in batch:
            gw, gb = self.backprop(x, y)
            for i in range(len(gw)):
                sum_w[i] += gw[i]
                sum_b[i] += gb[i]
        m = len(batch)
        for i in range(len(self.weights)):
            self.vw[i] = mu * self.vw[i] - eta * (sum_w[i] / m + lmbda / n * self.weights[i])
            self.vb[i] = mu * self.vb[i] - eta * sum_b[i] / m
            self.weights[i] = self.weights[i] + self.vw[i]
            self.biases[i] = self.biases[i] + self.vb[i]

    def backprop(self, x, y):
        acts = [x]
        for b, w in zip(self.biases, self.weights):
            acts.append(sigmoid(np.dot(w, acts[-1]) + b))
        gw = [None] * len(self.weights)
        gb = [None] * len(self.weights)
        delta = self.cost.delta(acts[-1], y)
        for i in range(len(self.weights) - 1, -1, -1):
            gb[i] = delta
            gw[i] = np.dot(delta, acts[i].T)
            if i > 0:
                delta = np.dot(self.weights[i].T, delta) * acts[i] * (1 - acts[i])
        return gw, gb

    def accuracy(self, data):
        return sum(int(np.argmax(self.feedforward(x)) == np.argmax(y)) for x, y in data)


np.random.seed(1)
random.seed(1)
iris = load_iris()
features = (iris.data - iris.data.mean(axis=0)) / iris.data.std(axis=0)
data = [(f.reshape(4, 1), np.eye(3)[t].reshape(3, 1)) for f, t in zip(features, iris.target)]
net = Network2([4, 6, 3])
net.SGD(data, 12, 10, 0.5, lmbda=0.1)
