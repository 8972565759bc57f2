import numpy as np
from sklearn.datasets import load_digits

np.random.seed(21)


def relu(z): return np.maximum(z, 0)


def init_params():
    return {
        'W1': np.random.randn(32, 64) * np.sqrt(2. / 64),
        'b1': np.zeros((32, 1)),
        'W2': np.random.randn(10, 32) * np.sqrt(2. / 32),
        'b2': np.zeros((10, 1)),
    }


def softmax(Z):
    eZ = np.exp(Z - np.max(Z, axis=0))
    return eZ / eZ.sum(axis=0)


def forward_prop(params, X):
    Z1 = params['W1'].dot(X) + params['b1']
    A1 = relu(Z1)
    Z2 = params['W2'].dot(A1) + params['b2']
    A2 = softmax(Z2)
    return Z1, A1, Z2, A2


def one_hot(Y):
    o = np.zeros((Y.size, 10))
    o[np.arange(Y.size), Y] = 1
    return o.T


def back_prop(Z1, A1, Z2, A2, params, X, Y):
    m = Y.size
    dZ2 = A2 - one_hot(Y)
    dW2 = 1 / m * dZ2.dot(A1.T)
    db2 = 1 / m * np.sum(dZ2, axis=1, keepdims=True)
    dZ1 = params['W2'].T.dot(dZ2) * (Z1 > 0)
    dW1 = 1 / m * dZ1.dot(X.T)
    db1 = 1 / m * np.sum(dZ1, axis=1, keepdims=True)
    return {'W1': dW1, 'b1': db1, 'W2': dW2, 'b2': db2}


def gradient_descent(X, Y, iterations, alpha=0.005, beta1=0.9, beta2=0.999, epsilon=1e-8):
    params = init_params()
    m_t = {k: np.zeros(v.shape) for k, v in params.items()}
    v_t = {k: np.zeros(v.shape) for k, v in params.items()}
    for i in range(1, iterations + 1):
        batch = np.random.choice(X.shape[1], 128, replace=False)
        xb, yb = X[:, batch], Y[batch]
        Z1, A1, Z2, A2 = forward_prop(params, xb)
        grads = back_prop(Z1, A1, Z2, A2, params, xb, yb)
        for k in params:
            m_t[k] = beta1 * m_t[k] + (1 - beta1) * grads[k]
            v_t[k] = beta2 * v_t[k] + (1 - beta2) * np.square(grads[k])
            params[k] = params[k] - alpha * (m_t[k] / (1 - beta1 ** i)) / (np.sqrt(v_t[k] / (1 - beta2 ** i)) + epsilon)
        if i % 50 == 0:
            print('Iteration', i, 'accuracy', np.mean(np.argmax(forward_prop(params, X)[-1], 0) == Y))
    return params


digits = load_digits()
params = gradient_descent((digits.data / 16.).T, digits.target, 400)
