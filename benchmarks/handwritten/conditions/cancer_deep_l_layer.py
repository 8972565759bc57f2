import numpy as np
from sklearn.datasets import load_breast_cancer

np.random.seed(0)
data = load_breast_cancer()
X = data.data.T
Y = data.target.reshape(1, -1)
mu = X.mean(axis=1, keepdims=True)
sigma = X.std(axis=1, keepdims=True)
X = (X - mu) / sigma


def sigmoid(Z):
    return 1 / (1 + np.exp(-Z))


def initialize_parameters_deep(layer_dims):
    parameters = {}
    L = len(layer_dims)
    for l in range(1, L):
        parameters["W" + str(l)] = np.random.randn(layer_dims[l], layer_dims[l - 1]) / np.sqrt(layer_dims[l - 1])
        parameters["b" + str(l)] = np.zeros((layer_dims[l], 1))
    return parameters


def L_model_forward(X, parameters):
    caches = []
    A = X
    L = len(parameters) // 2
    for l in range(1, L):
        A_prev = A
        Z = parameters["W" + str(l)].dot(A_prev) + parameters["b" + str(l)]
        A = np.maximum(0, Z)
        caches.append((A_prev, Z))
    Z = parameters["W" + str(L)].dot(A) + parameters["b" + str(L)]
    AL = sigmoid(Z)
    caches.append((A, Z))
    AL = np.clip(AL, 1e-7, 1 - 1e-7)
    return AL, caches


def compute_cost(AL, Y):
    m = Y.shape[1]
    return float(np.squeeze(-(Y.dot(np.log(AL).T) + (1 - Y).dot(np.log(1 - AL).T)) / m))


def L_model_backward(AL, Y, caches, parameters):
    grads = {}
    L = len(caches)
    m = AL.shape[1]
    dAL = -(np.divide(Y, AL) - np.divide(1 - Y, 1 - AL))
    A_prev, Z = caches[L - 1]
    dZ = dAL * sigmoid(Z) * (1 - sigmoid(Z))
    for l in reversed(range(L)):
        A_prev, Z = caches[l]
        if l < L - 1:
            dZ = dA * (Z > 0)
        grads["dW" + str(l + 1)] = dZ.dot(A_prev.T) / m
        grads["db" + str(l + 1)] = dZ.sum(axis=1, keepdims=True) / m
        dA = parameters["W" + str(l + 1)].T.dot(dZ)
    return grads


def model(X, Y, layers_dims, learning_rate=0.1, num_iterations=600):
    parameters = initialize_parameters_deep(layers_dims)
    for i in range(num_iterations):
        AL, caches = L_model_forward(X, parameters)
        cost = compute_cost(AL, Y)
        grads = L_model_backward(AL, Y, caches, parameters)
        for l in range(len(parameters) // 2):
            parameters["W" + str(l + 1)] = parameters["W" + str(l + 1)] - learning_rate * grads["dW" + str(l + 1)]
            parameters["b" + str(l + 1)] = parameters["b" + str(l + 1)] - learning_rate * grads["db" + str(l + 1)]
        if i % 100 == 0:
            print("Cost after iteration {}: {}".format(i, cost))
    return parameters


parameters = model(X, Y, [30, 10, 5, 1])
p, _ = L_model_forward(X, parameters)
print("accuracy", np.mean((p > 0.5) == Y))
