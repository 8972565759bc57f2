import numpy as np
from sklearn.datasets import load_digits

# A small CNN with plain loops: conv 3x3 (6 filters) -> max pool 2x2 -> softmax
digits = load_digits()
images = digits.images / 16.0 - 0.5
# a bit of noise, or the maximum of an empty corner is at four places
images += 0.01 * np.random.RandomState(1).randn(*images.shape)
labels = digits.target
train_images, train_labels = images[:220], labels[:220]
test_images, test_labels = images[220:320], labels[220:320]


class Conv3x3:
    def __init__(self, num_filters):
        self.num_filters = num_filters
        self.filters = np.random.randn(num_filters, 3, 3) / 3

    def iterate_regions(self, image):
        h, w = image.shape
        for i in range(h - 2):
            for j in range(w - 2):
                yield image[i:(i + 3), j:(j + 3)], i, j

    def forward(self, input):
        self.last_input = input
        h, w = input.shape
        output = np.zeros((h - 2, w - 2, self.num_filters))
        for im_region, i, j in self.iterate_regions(input):
            output[i, j] = np.sum(im_region * self.filters, axis=(1, 2))
        return output

    def backprop(self, d_L_d_out, learn_rate):
        d_L_d_filters = np.zeros(self.filters.shape)
        for im_region, i, j in self.iterate_regions(self.last_input):
            for f in range(self.num_filters):
                d_L_d_filters[f] += d_L_d_out[i, j, f] * im_region
        self.filters -= learn_rate * d_L_d_filters


class MaxPool2:
    def iterate_regions(self, image):
        h, w, _ = image.shape
        for i in range(h // 2):
            for j in range(w // 2):
                yield image[(i * 2):(i * 2 + 2), (j * 2):(j * 2 + 2)], i, j

    def forward(self, input):
        self.last_input = input
        h, w, num_filters = input.shape
        output = np.zeros((h // 2, w // 2, num_filters))
        for im_region, i, j in self.iterate_regions(input):
            output[i, j] = np.amax(im_region, axis=(0, 1))
        return output

    def backprop(self, d_L_d_out):
        d_L_d_input = np.zeros(self.last_input.shape)
        for im_region, i, j in self.iterate_regions(self.last_input):
            amax = np.amax(im_region, axis=(0, 1))
            mask = im_region == amax
            d_L_d_input[(i * 2):(i * 2 + 2), (j * 2):(j * 2 + 2)] = mask * d_L_d_out[i, j]
        return d_L_d_input


class Softmax:
    def __init__(self, input_len, nodes):
        self.weights = np.random.randn(input_len, nodes) / input_len
        self.biases = np.zeros(nodes)

    def forward(self, input):
        self.last_shape = input.shape
        self.last_input = input.flatten()
        totals = np.dot(self.last_input, self.weights) + self.biases
        exp = np.exp(totals)
        self.out = exp / np.sum(exp, axis=0)
        return self.out

    def backprop(self, label, learn_rate):
        d_L_d_t = self.out.copy()
        d_L_d_t[label] -= 1
        d_L_d_w = self.last_input[np.newaxis].T @ d_L_d_t[np.newaxis]
        d_L_d_inputs = self.weights @ d_L_d_t
        self.weights -= learn_rate * d_L_d_w
        self.biases -= learn_rate * d_L_d_t
        return d_L_d_inputs.reshape(self.last_shape)


np.random.seed(0)
conv = Conv3x3(6)
pool = MaxPool2()
softmax = Softmax(3 * 3 * 6, 10)

for epoch in range(4):
    loss, num_correct = 0, 0
    for im, label in zip(train_images, train_labels):
        out = softmax.forward(pool.forward(conv.forward(im)))
        loss += -np.log(out[label])
        num_correct += np.argmax(out) == label
        gradient = softmax.backprop(label, 0.05)
        gradient = pool.backprop(gradient)
        conv.backprop(gradient, 0.05)
    print("Epoch %d: average loss %.3f, correct %d" % (epoch + 1, loss / len(train_labels), num_correct))

right = 0
for im, label in zip(test_images, test_labels):
    right += np.argmax(softmax.forward(pool.forward(conv.forward(im)))) == label
print("Test accuracy:", right / len(test_labels))
