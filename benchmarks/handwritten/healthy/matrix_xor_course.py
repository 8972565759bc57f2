import numpy as np

X = np.matrix([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=float)
T = np.matrix([[0], [1], [1], [0]], dtype=float)
np.random.seed(7)
W1 = np.matrix(np.random.uniform(-1, 1, (2, 4)))
B1 = np.matrix(np.zeros((1, 4)))
W2 = np.matrix(np.random.uniform(-1, 1, (4, 1)))
B2 = np.matrix(np.zeros((1, 1)))
eta = 0.5
mu = 0.9
vW1, vB1, vW2, vB2 = 0 * W1, 0 * B1, 0 * W2, 0 * B2


def logsig(n):
    return 1 / (1 + np.exp(-n))


for epoch in range(2000):
    A1 = logsig(X * W1 + B1)
    A2 = logsig(A1 * W2 + B2)
    err = T - A2
    sse = np.sum(np.square(err))
    S2 = np.multiply(err, np.multiply(A2, 1 - A2))
    S1 = np.multiply(S2 * W2.T, np.multiply(A1, 1 - A1))
    vW2 = mu * vW2 + eta * A1.T * S2
    vB2 = mu * vB2 + eta * S2.sum(axis=0)
    vW1 = mu * vW1 + eta * X.T * S1
    vB1 = mu * vB1 + eta * S1.sum(axis=0)
    W2 = W2 + vW2
    B2 = B2 + vB2
    W1 = W1 + vW1
    B1 = B1 + vB1
    if epoch % 200 == 0:
        print(epoch, sse)
print(A2)
