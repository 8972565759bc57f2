import math
import random

random.seed(4)
H = 6
w1 = [random.uniform(-1, 1) for _ in range(H)]
b1 = [random.uniform(-1, 1) for _ in range(H)]
w2 = [random.uniform(-0.5, 0.5) for _ in range(H)]
b2 = 0.0
data = [(-3 + 6 * i / 39.0, math.sin(-3 + 6 * i / 39.0)) for i in range(40)]
lr = 0.02


def predict(x):
    h = [math.tanh(w1[i] * x + b1[i]) for i in range(H)]
    return sum(w2[i] * h[i] for i in range(H)) + b2, h


for epoch in range(600):
    random.shuffle(data)
    sse = 0.0
    for x, t in data:
        out, h = predict(x)
        err = out - t
        sse += err ** 2
        for i in range(H):
            gh = err * w2[i] * (1 - h[i] ** 2)
            w2[i] -= lr * err * h[i]
            w1[i] -= lr * gh * x
            b1[i] -= lr * gh
        b2 -= lr * err
    if epoch % 100 == 0:
        print('epoch', epoch, 'mse', sse / len(data))
