# classify points of a checkerboard; learning rate decays, softplus units
import numpy as np

rng = np.random.RandomState(2)
P = rng.uniform(-1, 1, (400, 2))
L = ((P[:, 0] > 0) ^ (P[:, 1] > 0)).astype(int)

W1 = rng.normal(0, 1.0, size=(12, 2))
c1 = np.zeros((12, 1))
W2 = rng.normal(0, 0.5, size=(2, 12))
c2 = np.zeros((2, 1))

rate0 = 1.0
X = P.T
n = X.shape[1]
T = np.zeros((2, n))
T[L, np.arange(n)] = 1

for t in range(1500):
    rate = rate0
    Z1 = W1.dot(X) + c1
    H = np.log(1 + np.exp(Z1))
    Z2 = W2.dot(H) + c2
    E = np.exp(Z2 - Z2.max(axis=0))
    S = E / E.sum(axis=0)
    if t % 250 == 0:
        print(t, "cross entropy", -np.sum(T * np.log(S)) / n)

    G2 = (S - T) / n
    gW2 = G2.dot(H.T)
    gc2 = G2.sum(axis=1, keepdims=True)
    GH = W2.T.dot(G2)
    G1 = GH / (1 + np.exp(-Z1))      # derivative of softplus is the sigmoid
    gW1 = G1.dot(X.T)
    gc1 = G1.sum(axis=1, keepdims=True)

    W1 -= rate * gW1
    c1 -= rate * gc1
    W2 -= rate * gW2
    c2 -= rate * gc2

print("accuracy", np.mean(S.argmax(axis=0) == L))
