# linear regression without any library
import random

random.seed(7)

# size of a flat (in 10 m2) and price (in 10 000)
points = []
for _ in range(60):
    x = random.uniform(2, 12)
    y = 3.2 * x + 5 + random.gauss(0, 1)
    points.append((x, y))

m = 0.0
b = 0.0
learning_rate = 0.002


def error(m, b, points):
    total = 0
    for x, y in points:
        total += (y - (m * x + b)) ** 2
    return total / len(points)


def step(m, b, points, learning_rate):
    m_gradient = 0
    b_gradient = 0
    N = float(len(points))
    for x, y in points:
        m_gradient += -(2 / N) * x * (y - (m * x + b))
        b_gradient += -(2 / N) * (y - (m * x + b))
    new_m = m - learning_rate * m_gradient
    new_b = b - learning_rate * b_gradient
    return new_m, new_b


print("start:", error(m, b, points))
for i in range(6000):
    m, b = step(m, b, points, learning_rate)
print("m =", m, "b =", b, "error =", error(m, b, points))
