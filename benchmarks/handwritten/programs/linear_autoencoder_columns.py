import numpy as np

# compress 8 sensors to 3 numbers; data in columns (sensors, samples)
np.random.seed(20)
basis = np.random.randn(8, 3)
X = basis @ np.random.randn(3, 250) + 0.05 * np.random.randn(8, 250)
X = X / X.std()

E = 0.1 * np.random.randn(3, 8)
D = 0.1 * np.random.randn(8, 3)
be = np.zeros((3, 1))
bd = np.zeros((8, 1))
m = X.shape[1]
lr = 0.05

for k in range(1200):
    code = E @ X + be
    rec = D @ code + bd
    diff = rec - X
    J = (diff ** 2).sum() / (2 * m)
    gD = diff @ code.T / m
    gbd = diff.sum(axis=1, keepdims=True) / m
    gcode = D.T @ diff
    gE = gcode @ X.T / m
    gbe = gcode.sum(axis=1, keepdims=True) / m
    D -= lr * gD
    bd -= lr * gbd
    E -= lr * gE
    be -= lr * gbe
    if k % 200 == 0:
        print(k, J)
print("final", J)
