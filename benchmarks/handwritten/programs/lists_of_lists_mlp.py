# a complete network from lists of lists
import math
import random

rnd = random.Random(3)
SIZES = [2, 5, 1]
weights = [[[rnd.uniform(-1, 1) for _ in range(SIZES[l])] for _ in range(SIZES[l + 1])] for l in range(2)]
biases = [[0.0] * SIZES[l + 1] for l in range(2)]


def dot(u, v):
    return sum(a * b for a, b in zip(u, v))


def forward(x):
    hidden = [math.tanh(dot(w, x) + b) for w, b in zip(weights[0], biases[0])]
    z = dot(weights[1][0], hidden) + biases[1][0]
    return hidden, 1 / (1 + math.exp(-z))


# a point is 1 when it lies above the parabola
samples = []
for _ in range(200):
    x = [rnd.uniform(-1.5, 1.5), rnd.uniform(-0.5, 2)]
    samples.append((x, 1 if x[1] > x[0] ** 2 else 0))

lr = 0.1
for epoch in range(60):
    rnd.shuffle(samples)
    loss = 0
    for x, y in samples:
        hidden, p = forward(x)
        loss += -math.log(max(p if y else 1 - p, 1e-12))
        d_out = p - y
        d_hidden = [d_out * weights[1][0][j] * (1 - hidden[j] ** 2) for j in range(5)]
        for j in range(5):
            weights[1][0][j] -= lr * d_out * hidden[j]
        biases[1][0] -= lr * d_out
        for j in range(5):
            for i in range(2):
                weights[0][j][i] -= lr * d_hidden[j] * x[i]
            biases[0][j] -= lr * d_hidden[j]
    if epoch % 10 == 0:
        print("epoch", epoch, "loss", loss / len(samples))

right = sum((forward(x)[1] > 0.5) == (y == 1) for x, y in samples)
print(right, "of", len(samples), "right")
