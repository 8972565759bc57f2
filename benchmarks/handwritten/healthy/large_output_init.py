import numpy as np

np.random.seed(17)
x = np.linspace(-3, 3, 120).reshape(-1, 1)
y = np.sin(x) * x + 0.05 * np.random.randn(120, 1)

n_hidden = 20
w1 = np.random.randn(1, n_hidden)
b1 = np.random.randn(n_hidden)
w2 = np.random.randn(n_hidden, 1)
b2 = np.zeros(1)

weights = [w1, b1, w2, b2]
cache = [np.zeros_like(w) for w in weights]

lr = 0.01
decay = 0.9
batch = 30
for epoch in range(600):
    order = np.random.permutation(120)
    for s in range(0, 120, batch):
        xb = x[order[s : s + batch]]
        yb = y[order[s : s + batch]]
        h = np.tanh(xb @ w1 + b1)
        out = h @ w2 + b2

        g_out = 2 * (out - yb) / batch
        g_w2 = h.T @ g_out
        g_b2 = g_out.sum(0)
        g_h = g_out @ w2.T
        g_a = g_h * (1 - h * h)
        g_w1 = xb.T @ g_a
        g_b1 = g_a.sum(0)

        for w, g, c in zip(weights, [g_w1, g_b1, g_w2, g_b2], cache):
            c *= decay
            c += (1 - decay) * g * g
            w -= lr * g / (np.sqrt(c) + 1e-7)
    if epoch % 100 == 0:
        pred = np.tanh(x @ w1 + b1) @ w2 + b2
        print(epoch, "mse:", np.mean((pred - y) ** 2))
pred = np.tanh(x @ w1 + b1) @ w2 + b2
print("final mse:", np.mean((pred - y) ** 2))
