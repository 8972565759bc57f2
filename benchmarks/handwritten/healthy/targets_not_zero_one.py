# a neural network class: make your own
import numpy
import scipy.special
from sklearn.datasets import load_digits


class neuralNetwork:

    # initialise the neural network
    def __init__(self, inputnodes, hiddennodes, outputnodes, learningrate):
        self.inodes = inputnodes
        self.hnodes = hiddennodes
        self.onodes = outputnodes

        self.wih = numpy.random.normal(0.0, pow(self.inodes, -0.5), (self.hnodes, self.inodes))
        self.who = numpy.random.normal(0.0, pow(self.hnodes, -0.5), (self.onodes, self.hnodes))

        self.lr = learningrate
        self.activation_function = lambda x: scipy.special.expit(x)

    # train the neural network
    def train(self, inputs_list, targets_list):
        inputs = numpy.array(inputs_list, ndmin=2).T
        targets = numpy.array(targets_list, ndmin=2).T

        hidden_inputs = numpy.dot(self.wih, inputs)
        hidden_outputs = self.activation_function(hidden_inputs)
        final_inputs = numpy.dot(self.who, hidden_outputs)
        final_outputs = self.activation_function(final_inputs)

        # output layer error is the (target - actual)
        output_errors = targets - final_outputs
        output_delta = output_errors * final_outputs * (1.0 - final_outputs)
        # hidden layer error is the output delta, split by weights
        hidden_errors = numpy.dot(self.who.T, output_delta)

        self.who += self.lr * numpy.dot(output_delta, numpy.transpose(hidden_outputs))
        self.wih += self.lr * numpy.dot(hidden_errors * hidden_outputs * (1.0 - hidden_outputs), numpy.transpose(inputs))

    def query(self, inputs_list):
        inputs = numpy.array(inputs_list, ndmin=2).T
        hidden_outputs = self.activation_function(numpy.dot(self.wih, inputs))
        return self.activation_function(numpy.dot(self.who, hidden_outputs))


numpy.random.seed(11)
digits = load_digits()
images = digits.data / 16.0 * 0.99 + 0.01
labels = digits.target
split = 1500

n = neuralNetwork(64, 40, 10, 0.2)
epochs = 4
for e in range(epochs):
    for record in range(split):
        targets = numpy.zeros(10) + 0.1
        targets[int(labels[record])] = 0.9
        n.train(images[record], targets)

scorecard = []
for record in range(split, len(images)):
    outputs = n.query(images[record])
    scorecard.append(1 if numpy.argmax(outputs) == labels[record] else 0)
print("performance =", sum(scorecard) / len(scorecard))
