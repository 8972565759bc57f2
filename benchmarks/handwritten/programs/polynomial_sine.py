import numpy as np
import matplotlib.pyplot as plt

np.random.seed(10)
x = np.linspace(-1, 1, 80)
y = np.sin(3 * x) + 0.1 * np.random.randn(80)

degree = 5
w = np.zeros(degree + 1)
lr = 0.3


def predict(x, w):
    out = 0
    for k in range(len(w)):
        out = out + w[k] * x**k
    return out


losses = []
for it in range(3000):
    y_hat = predict(x, w)
    diff = y_hat - y
    loss = 0.5 * np.mean(diff**2)
    losses.append(loss)
    # one gradient for each coefficient
    for k in range(degree + 1):
        g = np.mean(diff * x**k)
        w[k] -= lr * g
    if it % 500 == 0:
        print(it, loss)

print("coefficients:", w)
print("final loss:", losses[-1])
plt.scatter(x, y)
plt.plot(x, predict(x, w), "r")
plt.savefig("fit.png")
