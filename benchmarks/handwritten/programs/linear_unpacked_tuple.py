import numpy as np

np.random.seed(33)
X = np.random.rand(100, 1) * 4
y = 4 + 3 * X + np.random.randn(100, 1) * 0.5

epochs = 300
learning_rate = 0.1


def compute_error(points, theta):
    X, y = points
    return ((y - (theta[0] + theta[1] * X)) ** 2).mean()


def train(points, theta):
    X, y = points
    n = len(X)
    for i in range(epochs):
        prediction = theta[0] + theta[1] * X
        d0 = -2 / n * np.sum(y - prediction)
        d1 = -2 / n * np.sum(X * (y - prediction))
        theta = (theta[0] - learning_rate * d0, theta[1] - learning_rate * d1)
        if i % 50 == 0:
            print("epoch", i, "error", compute_error(points, theta))
    return theta


theta = train((X, y), (0.0, 0.0))
print("line: y = %.2f + %.2f x" % theta)
