import math
import random

import numpy as np

random.seed(0)
np.random.seed(0)

inputs = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
targets = np.array([0, 1, 1, 0])

hidden_size = 4
lr = 0.5
epochs = 6000

w_hidden = np.random.uniform(-1, 1, (hidden_size, 2))
b_hidden = np.zeros(hidden_size)
w_out = np.random.uniform(-1, 1, hidden_size)
b_out = 0.0


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def feed(x):
    h = sigmoid(w_hidden.dot(x) + b_hidden)
    o = sigmoid(w_out.dot(h) + b_out)
    return h, o


for epoch in range(epochs):
    error_sum = 0
    order = [0, 1, 2, 3]
    random.shuffle(order)
    for k in order:
        x, t = inputs[k], targets[k]
        h, o = feed(x)
        error = t - o
        error_sum += error**2
        delta_o = error * o * (1 - o)
        delta_h = delta_o * w_out * h * (1 - h)
        w_out = w_out + lr * delta_o * h
        b_out = b_out + lr * delta_o
        w_hidden = w_hidden + lr * np.outer(delta_h, x)
        b_hidden = b_hidden + lr * delta_h
    if epoch % 1000 == 0:
        print(epoch, error_sum)

for x, t in zip(inputs, targets):
    print(x, t, round(float(feed(x)[1]), 3))
print("rmse", math.sqrt(np.mean([(feed(x)[1] - t) ** 2 for x, t in zip(inputs, targets)])))
