import numpy as np

np.random.seed(0)
# signals with a rising or a falling edge somewhere
def make_signals(n):
    S = np.random.randn(n, 20) * 0.3
    lab = np.random.randint(0, 2, n)
    for i in range(n):
        k = np.random.randint(4, 16)
        S[i, k:] += 1.0 if lab[i] else -1.0
    return S - S.mean(axis=1, keepdims=True), lab

S, lab = make_signals(300)
kernels = np.random.randn(3, 5) * 0.3
kb = np.zeros(3)
w = np.random.randn(3) * 0.5
wb = 0.0
lr = 0.1

def conv(signal, kernel):
    out = np.zeros(len(signal) - len(kernel) + 1)
    for t in range(len(out)):
        out[t] = np.dot(signal[t:t + len(kernel)], kernel)
    return out

for epoch in range(8):
    hits, cost = 0, 0.0
    for i in np.random.permutation(300):
        sig, t = S[i], lab[i]
        maps = np.array([conv(sig, kernels[f]) + kb[f] for f in range(3)])
        act = np.tanh(maps)
        pooled = act.mean(axis=1)
        p = 1 / (1 + np.exp(-(np.dot(w, pooled) + wb)))
        cost -= np.log(p + 1e-12) if t == 1 else np.log(1 - p + 1e-12)
        hits += (p > 0.5) == t
        # gradients
        dz = p - t
        dw = dz * pooled
        dwb = dz
        dpool = dz * w
        dact = np.repeat(dpool[:, None], act.shape[1], axis=1) / act.shape[1]
        dmaps = dact * (1 - act ** 2)
        dk = np.zeros_like(kernels)
        for f in range(3):
            for j in range(5):
                dk[f, j] = np.sum(dmaps[f] * sig[j:j + 16])
        dkb = dmaps.sum(axis=1)
        kernels -= lr * dk
        kb -= lr * dkb
        w -= lr * dw
        wb -= lr * dwb
    print("epoch", epoch, "cost", cost / 300, "hits", hits)
