import numpy as np
from sklearn.datasets import load_iris


class Brain:
    """inputs -> hidden -> outputs, with the names of the toy neural network videos"""

    def __init__(self, input_nodes, hidden_nodes, output_nodes):
        self.weights_ih = np.random.uniform(-1, 1, (hidden_nodes, input_nodes))
        self.weights_ho = np.random.uniform(-1, 1, (output_nodes, hidden_nodes))
        self.bias_h = np.random.uniform(-1, 1, (hidden_nodes, 1))
        self.bias_o = np.random.uniform(-1, 1, (output_nodes, 1))
        self.learning_rate = 0.1

    @staticmethod
    def activation(x):
        return 1 / (1 + np.exp(-x))

    @staticmethod
    def dsigmoid(y):
        # y is already sigmoid(x)
        return y * (1 - y)

    def predict(self, input_array):
        inputs = np.array(input_array).reshape(-1, 1)
        hidden = self.activation(self.weights_ih @ inputs + self.bias_h)
        return self.activation(self.weights_ho @ hidden + self.bias_o)

    def train(self, input_array, target_array):
        inputs = np.array(input_array).reshape(-1, 1)
        hidden = self.activation(self.weights_ih @ inputs + self.bias_h)
        outputs = self.activation(self.weights_ho @ hidden + self.bias_o)

        targets = np.array(target_array).reshape(-1, 1)
        output_errors = targets - outputs

        gradients = self.dsigmoid(outputs) * output_errors * self.learning_rate
        who_t = self.weights_ho.T
        hidden_errors = who_t @ (self.dsigmoid(outputs) * output_errors)
        hidden_gradient = self.dsigmoid(hidden) * hidden_errors * self.learning_rate

        self.weights_ho = self.weights_ho + gradients @ hidden.T
        self.bias_o = self.bias_o + gradients
        self.weights_ih = self.weights_ih + hidden_gradient @ inputs.T
        self.bias_h = self.bias_h + hidden_gradient


np.random.seed(99)
iris = load_iris()
data = (iris.data - iris.data.min(axis=0)) / (iris.data.max(axis=0) - iris.data.min(axis=0))
brain = Brain(4, 8, 3)
for i in range(12000):
    k = np.random.randint(150)
    target = [0, 0, 0]
    target[iris.target[k]] = 1
    brain.train(data[k], target)

hits = 0
for k in range(150):
    hits += np.argmax(brain.predict(data[k])) == iris.target[k]
print(hits, "of 150 flowers")
np.save("weights_ih.npy", brain.weights_ih)
np.save("weights_ho.npy", brain.weights_ho)
