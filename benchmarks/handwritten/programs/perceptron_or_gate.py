import numpy as np

# one neuron learns OR (and later AND)
inputs = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
outputs = np.array([[0], [1], [1], [1]])


class NeuralNetwork:
    def __init__(self, inputs, outputs):
        self.inputs = inputs
        self.outputs = outputs
        self.weights = np.array([[.50], [-.50]])
        self.bias = 0.1
        self.error_history = []

    def sigmoid(self, x, deriv=False):
        if deriv:
            return x * (1 - x)
        return 1 / (1 + np.exp(-x))

    def feed_forward(self):
        self.hidden = self.sigmoid(np.dot(self.inputs, self.weights) + self.bias)

    def backpropagation(self):
        self.error = self.outputs - self.hidden
        delta = self.error * self.sigmoid(self.hidden, deriv=True)
        self.weights += np.dot(self.inputs.T, delta)
        self.bias += np.sum(delta)

    def train(self, epochs=3000):
        for epoch in range(epochs):
            self.feed_forward()
            self.backpropagation()
            self.error_history.append(np.average(np.abs(self.error)))

    def predict(self, new_input):
        return self.sigmoid(np.dot(new_input, self.weights) + self.bias)


NN = NeuralNetwork(inputs, outputs)
NN.train()
print("error at the end:", NN.error_history[-1])
print(NN.predict(np.array([[1, 1]])), "- Correct: 1")
print(NN.predict(np.array([[0, 0]])), "- Correct: 0")
