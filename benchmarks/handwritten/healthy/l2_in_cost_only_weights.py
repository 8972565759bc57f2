# Deep neural network, step by step (features are rows, examples are columns!)
import numpy as np
from sklearn.datasets import make_moons

np.random.seed(2)
X, Y = make_moons(n_samples=300, noise=0.15, random_state=3)
X = X.T
Y = Y.reshape(1, -1)


def sigmoid(Z):
    return 1 / (1 + np.exp(-Z))


def initialize_parameters(layer_dims):
    parameters = {}
    L = len(layer_dims)
    for l in range(1, L):
        parameters["W" + str(l)] = np.random.randn(layer_dims[l], layer_dims[l - 1]) * np.sqrt(2 / layer_dims[l - 1])
        parameters["b" + str(l)] = np.zeros((layer_dims[l], 1))
    return parameters


def forward_propagation(X, parameters):
    W1, b1 = parameters["W1"], parameters["b1"]
    W2, b2 = parameters["W2"], parameters["b2"]
    W3, b3 = parameters["W3"], parameters["b3"]
    Z1 = np.dot(W1, X) + b1
    A1 = np.maximum(0, Z1)
    Z2 = np.dot(W2, A1) + b2
    A2 = np.maximum(0, Z2)
    Z3 = np.dot(W3, A2) + b3
    A3 = sigmoid(Z3)
    return A3, (Z1, A1, Z2, A2, Z3, A3)


def compute_cost(A3, Y):
    m = Y.shape[1]
    cost = -(1 / m) * np.sum(Y * np.log(A3) + (1 - Y) * np.log(1 - A3))
    return np.squeeze(cost)


def backward_propagation(X, Y, cache, parameters):
    m = X.shape[1]
    Z1, A1, Z2, A2, Z3, A3 = cache
    W2, W3 = parameters["W2"], parameters["W3"]
    dZ3 = A3 - Y
    dW3 = 1 / m * np.dot(dZ3, A2.T) + 0.01 / m * W3
    db3 = 1 / m * np.sum(dZ3, axis=1, keepdims=True)
    dA2 = np.dot(W3.T, dZ3)
    dZ2 = np.multiply(dA2, Z2 > 0)
    dW2 = 1 / m * np.dot(dZ2, A1.T) + 0.01 / m * W2
    db2 = 1 / m * np.sum(dZ2, axis=1, keepdims=True)
    dA1 = np.dot(W2.T, dZ2)
    dZ1 = np.multiply(dA1, Z1 > 0)
    dW1 = 1 / m * np.dot(dZ1, X.T) + 0.01 / m * parameters["W1"]
    db1 = 1 / m * np.sum(dZ1, axis=1, keepdims=True)
    return {"dW1": dW1, "db1": db1, "dW2": dW2, "db2": db2, "dW3": dW3, "db3": db3}


def update_parameters(parameters, grads, learning_rate):
    L = len(parameters) // 2
    for l in range(L):
        parameters["W" + str(l + 1)] = parameters["W" + str(l + 1)] - learning_rate * grads["dW" + str(l + 1)]
        parameters["b" + str(l + 1)] = parameters["b" + str(l + 1)] - learning_rate * grads["db" + str(l + 1)]
    return parameters


parameters = initialize_parameters([2, 12, 6, 1])
for i in range(2500):
    A3, cache = forward_propagation(X, parameters)
    cost = compute_cost(A3, Y)
    grads = backward_propagation(X, Y, cache, parameters)
    parameters = update_parameters(parameters, grads, learning_rate=0.2)
    if i % 250 == 0:
        print("Cost after iteration {}: {}".format(i, cost))

A3, _ = forward_propagation(X, parameters)
print("Accuracy:", np.mean((A3 > 0.5) == Y))
