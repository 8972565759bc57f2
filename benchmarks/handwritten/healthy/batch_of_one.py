import numpy as np

rng = np.random.default_rng(9)


def make_net(n_in, n_hidden, n_out, lr):
    W = rng.normal(0, 1 / np.sqrt(n_in), (n_in, n_hidden))
    bW = np.zeros(n_hidden)
    V = rng.normal(0, 1 / np.sqrt(n_hidden), (n_hidden, n_out))
    bV = np.zeros(n_out)

    def predict(x):
        return np.tanh(x @ W + bW) @ V + bV

    def step(x, y):
        nonlocal W, bW, V, bV
        hidden = np.tanh(x @ W + bW)
        out = hidden @ V + bV
        err = (out - y) / len(x)
        gV = hidden.T @ err
        gbV = err.sum(axis=0)
        back = err @ V.T * (1 - hidden**2)
        gW = x.T @ back
        gbW = back.sum(axis=0)
        W = W - lr * gW
        bW = bW - lr * gbW
        V = V - lr * gV
        bV = bV - lr * gbV

    return predict, step


# learn the product of two numbers
X = rng.uniform(-1, 1, (500, 2))
Y = (X[:, 0] * X[:, 1])[:, None]
predict, step = make_net(2, 16, 1, lr=0.05)
for epoch in range(40):
    perm = rng.permutation(500)
    for i in perm:
        step(X[i:i + 1], Y[i:i + 1])
    if epoch % 10 == 9:
        print(epoch + 1, "rmse", np.sqrt(np.mean((predict(X) - Y) ** 2)))
