import numpy as np

np.random.seed(1)

X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
y = np.array([[0], [1], [1], [0]])

# weights
W1 = np.random.randn(2, 4)
b1 = np.zeros((1, 4))
W2 = np.random.randn(4, 1)
b2 = np.zeros((1, 1))
lr = 0.5


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def sigmoid_derivative(a):
    return a * (1 - a)


for epoch in range(8000):
    # forward
    hidden = sigmoid(X.dot(W1) + b1)
    output = sigmoid(hidden.dot(W2) + b2)

    error = y - output
    if epoch % 1000 == 0:
        print("Log loss:", -np.mean(y * np.log(output) + (1 - y) * np.log(1 - output)))

    # backprop
    d_output = error * sigmoid_derivative(output)
    d_hidden = d_output.dot(W2.T) * sigmoid_derivative(hidden)

    W2 += lr * hidden.T.dot(d_output)
    b2 += lr * np.sum(d_output, axis=0, keepdims=True)
    W1 += lr * X.T.dot(d_hidden)
    b1 += lr * np.sum(d_hidden, axis=0, keepdims=True)

print(output)
