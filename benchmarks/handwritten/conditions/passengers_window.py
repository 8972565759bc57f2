import numpy as np

rs = np.random.RandomState(0)

# monthly passengers: trend and season
months = np.arange(240)
series = 200 + 1.2 * months + 60 * np.sin(2 * np.pi * months / 12) + rs.randn(240) * 5
series = (series - series.mean()) / series.std()

WINDOW = 12
X = np.array([series[i : i + WINDOW] for i in range(len(series) - WINDOW)])
y = np.array([series[i + WINDOW] for i in range(len(series) - WINDOW)]).reshape(-1, 1)


class Net:
    pass


net = Net()
net.w1 = rs.randn(WINDOW, 16) * 0.3
net.b1 = np.zeros(16)
net.w2 = rs.randn(16, 1) * 0.3
net.b2 = np.zeros(1)


def forward(net, x):
    net.h = np.maximum(0, x @ net.w1 + net.b1)
    return net.h @ net.w2 + net.b2


def backward(net, x, err):
    g = 2 * err / len(x)
    grads = {}
    grads["w2"] = net.h.T @ g
    grads["b2"] = g.sum(0)
    gh = (g @ net.w2.T) * (net.h > 0)
    grads["w1"] = x.T @ gh
    grads["b1"] = gh.sum(0)
    return grads


EPOCHS = 150
ETA = 0.02
for epoch in range(EPOCHS):
    order = rs.permutation(len(X))
    for chunk in np.array_split(order, 8):
        pred = forward(net, X[chunk])
        grads = backward(net, X[chunk], pred - y[chunk])
        for name, grad in grads.items():
            setattr(net, name, getattr(net, name) - ETA * grad)
    if epoch % 30 == 0:
        print(epoch, float(np.mean((forward(net, X) - y) ** 2)))

residual = forward(net, X) - y
print("unexplained variance", float(residual.var() + residual.mean() ** 2) / float(y.var()))
