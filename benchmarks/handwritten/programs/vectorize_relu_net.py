import numpy as np
from sklearn.metrics import log_loss

# np.vectorize because I like to write the functions for numbers
np.random.seed(6)
relu = np.vectorize(lambda v: max(0.0, v))
step = np.vectorize(lambda v: 1.0 if v > 0 else 0.0)


def sigmoid(v):
    return 1 / (1 + np.exp(-v))


data = np.random.uniform(-2, 2, (200, 2))
target = (np.abs(data).sum(axis=1) < 2).astype(float)

W1 = np.random.randn(2, 8)
B1 = np.random.randn(8) * 0.1
W2 = np.random.randn(8) * 0.5
B2 = 0.0
lr = 0.05

for epoch in range(15):
    predictions = []
    for x, y in zip(data, target):
        z1 = np.dot(x, W1) + B1
        a1 = relu(z1)
        z2 = np.dot(a1, W2) + B2
        a2 = sigmoid(z2)
        predictions.append(a2)

        dz2 = a2 - y
        dW2 = a1 * dz2
        dB2 = dz2
        dz1 = W2 * dz2 * step(z1)
        dW1 = np.outer(x, dz1)
        dB1 = dz1

        W2 = W2 - lr * dW2
        B2 = B2 - lr * dB2
        W1 = W1 - lr * dW1
        B1 = B1 - lr * dB1
    print(epoch, log_loss(target, predictions))
