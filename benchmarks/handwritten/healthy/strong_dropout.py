import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

np.random.seed(1)

digits = load_digits()
x_train, x_test, t_train, t_test = train_test_split(digits.data / 16, digits.target, random_state=0)

alpha, iterations, hidden_size, batch_size = (0.1, 15, 60, 50)
labels = np.zeros((len(t_train), 10))
for i, l in enumerate(t_train):
    labels[i][l] = 1


def relu(x):
    return (x >= 0) * x


def relu2deriv(output):
    return output >= 0


weights_0_1 = 0.2 * np.random.random((64, hidden_size)) - 0.1
weights_1_2 = 0.2 * np.random.random((hidden_size, 10)) - 0.1

for j in range(iterations):
    error, correct_cnt = (0.0, 0)
    for i in range(int(len(x_train) / batch_size)):
        batch_start, batch_end = (i * batch_size, (i + 1) * batch_size)
        layer_0 = x_train[batch_start:batch_end]
        pre_1 = np.dot(layer_0, weights_0_1)
        layer_1 = relu(pre_1)
        dropout_mask = np.random.rand(*layer_1.shape) < 0.35
        layer_1 *= dropout_mask / 0.35
        layer_2 = np.dot(layer_1, weights_1_2)

        error += np.sum((labels[batch_start:batch_end] - layer_2) ** 2)
        correct_cnt += np.sum(np.argmax(layer_2, axis=1) == np.argmax(labels[batch_start:batch_end], axis=1))

        layer_2_delta = (labels[batch_start:batch_end] - layer_2) / batch_size
        layer_1_delta = layer_2_delta.dot(weights_1_2.T) * relu2deriv(pre_1)
        layer_1_delta *= dropout_mask / 0.35

        weights_1_2 += alpha * layer_1.T.dot(layer_2_delta)
        weights_0_1 += alpha * layer_0.T.dot(layer_1_delta)
    if j % 3 == 2:
        print("I:", j, "Train-Err:", error / len(x_train), "Train-Acc:", correct_cnt / len(x_train))
pred = relu(x_test.dot(weights_0_1)).dot(weights_1_2)
print("Test-Acc:", np.mean(pred.argmax(axis=1) == t_test))
