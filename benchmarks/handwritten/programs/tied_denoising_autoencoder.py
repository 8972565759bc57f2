import numpy as np

# 8x8 patterns with noise; the decoder uses the transposed encoder (tied weights)
rng = np.random.RandomState(13)
prototypes = (rng.rand(6, 64) > 0.5).astype(float)
W = rng.normal(0, 0.1, (64, 20))
b_hid = np.zeros(20)
b_vis = np.zeros(64)
lr = 0.1


def sig(x):
    return 1 / (1 + np.exp(-x))


for it in range(800):
    clean = prototypes[rng.randint(0, 6, 30)]
    noisy = np.where(rng.rand(30, 64) < 0.15, 1 - clean, clean)
    h = sig(noisy @ W + b_hid)
    r = sig(h @ W.T + b_vis)
    loss = -np.mean(np.sum(clean * np.log(r + 1e-9) + (1 - clean) * np.log(1 - r + 1e-9), axis=1))

    dr = (r - clean) / 30
    dh = dr @ W * h * (1 - h)
    # W is used twice, so two parts
    gW = noisy.T @ dh + dr.T @ h
    W -= lr * gW
    b_hid -= lr * dh.sum(axis=0)
    b_vis -= lr * dr.sum(axis=0)
    if it % 100 == 0:
        print(it, loss)
print("last", loss, "bits wrong:", np.mean((r > 0.5) != clean))
