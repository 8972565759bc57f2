# the worked example with the 8 weights, but for three points instead of one
import math

points = [
    ((0.05, 0.10), (0.01, 0.99)),
    ((0.90, 0.20), (0.80, 0.30)),
    ((0.40, 0.80), (0.25, 0.60)),
]

w1, w2, w3, w4 = 0.15, 0.20, 0.25, 0.30
w5, w6, w7, w8 = 0.40, 0.45, 0.50, 0.55
b1, b2 = 0.35, 0.60
lr = 0.5


def logistic(net):
    return 1 / (1 + math.exp(-net))


for epoch in range(4001):
    total = 0.0
    for (i1, i2), (t1, t2) in points:
        h1 = logistic(w1 * i1 + w2 * i2 + b1)
        h2 = logistic(w3 * i1 + w4 * i2 + b1)
        o1 = logistic(w5 * h1 + w6 * h2 + b2)
        o2 = logistic(w7 * h1 + w8 * h2 + b2)
        total += 0.5 * (t1 - o1) ** 2 + 0.5 * (t2 - o2) ** 2

        delta1 = -(t1 - o1) * o1 * (1 - o1)
        delta2 = -(t2 - o2) * o2 * (1 - o2)
        dh1 = (delta1 * w5 + delta2 * w7) * h1 * (1 - h1)
        dh2 = (delta1 * w6 + delta2 * w8) * h2 * (1 - h2)

        w5 = w5 - lr * delta1 * h1
        w6 = w6 - lr * delta1 * h2
        w7 = w7 - lr * delta2 * h1
        w8 = w8 - lr * delta2 * h2
        b2 = b2 - lr * (delta1 + delta2)
        w1 = w1 - lr * dh1 * i1
        w2 = w2 - lr * dh1 * i2
        w3 = w3 - lr * dh2 * i1
        w4 = w4 - lr * dh2 * i2
        b1 = b1 - lr * (dh1 + dh2)
    if epoch % 500 == 0:
        print("error after", epoch, "rounds:", total)
