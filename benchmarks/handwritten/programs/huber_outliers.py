import numpy as np

rng = np.random.default_rng(31)
x = rng.uniform(0, 10, 150)
y = 1.7 * x - 4 + rng.normal(0, 0.5, 150)
outliers = rng.choice(150, 15, replace=False)
y[outliers] += rng.uniform(20, 40, 15)

xs = (x - x.mean()) / x.std()

state = {"slope": 0.0, "offset": 0.0}
delta = 1.0
lr = 0.1


def huber(r):
    small = np.abs(r) <= delta
    return np.where(small, 0.5 * r**2, delta * (np.abs(r) - 0.5 * delta)).mean()


def huber_grad(r):
    small = np.abs(r) <= delta
    return np.where(small, r, delta * np.sign(r))


for i in range(600):
    r = state["slope"] * xs + state["offset"] - y
    if i % 100 == 0:
        print(i, huber(r))
    d = huber_grad(r)
    state["slope"] -= lr * (d * xs).mean()
    state["offset"] -= lr * d.mean()

slope = state["slope"] / x.std()
print("slope", slope, "offset", state["offset"] - slope * x.mean())
