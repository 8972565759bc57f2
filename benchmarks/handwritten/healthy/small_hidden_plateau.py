# XOR with nine numbers, only the standard library
import math
import random

random.seed(4)
data = [(0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 0)]
w11, w12, w21, w22 = [random.uniform(-1, 1) for _ in range(4)]
v1, v2 = random.uniform(-1, 1), random.uniform(-1, 1)
t1 = t2 = t3 = 0.0
eta = 0.5


def f(s):
    return 1 / (1 + math.exp(-s))


for epoch in range(9000):
    err = 0
    for x1, x2, y in data:
        h1 = f(w11 * x1 + w12 * x2 + t1)
        h2 = f(w21 * x1 + w22 * x2 + t2)
        o = f(v1 * h1 + v2 * h2 + t3)
        e = y - o
        err += e * e
        # error signals
        so = e * o * (1 - o)
        s1 = so * v1 * h1 * (1 - h1)
        s2 = so * v2 * h2 * (1 - h2)
        v1 += eta * so * h1
        v2 += eta * so * h2
        t3 += eta * so
        w11 += eta * s1 * x1
        w12 += eta * s1 * x2
        t1 += eta * s1
        w21 += eta * s2 * x1
        w22 += eta * s2 * x2
        t2 += eta * s2
    if epoch % 1000 == 0:
        print(epoch, err)

for x1, x2, y in data:
    o = f(v1 * f(w11 * x1 + w12 * x2 + t1) + v2 * f(w21 * x1 + w22 * x2 + t2) + t3)
    print(x1, x2, "->", round(o, 3), "should be", y)
