# single head self-attention (queries, keys and values of all positions) reverses a sequence
import numpy as np

np.random.seed(1)
N_SYM, T, D = 5, 4, 24


def softmax(x):
    x = np.exp(x - x.max(axis=-1, keepdims=True))
    return x / x.sum(axis=-1, keepdims=True)


P = {
    "emb": np.random.randn(N_SYM, D) * 0.5,
    "pos": np.random.randn(T, D) * 0.5,
    "wq": np.random.randn(D, D) / np.sqrt(D),
    "wk": np.random.randn(D, D) / np.sqrt(D),
    "wv": np.random.randn(D, D) / np.sqrt(D),
    "out": np.random.randn(D, N_SYM) / np.sqrt(D),
}
M = {k: np.zeros_like(v) for k, v in P.items()}
V = {k: np.zeros_like(v) for k, v in P.items()}


def loss_and_grads(tok, tgt):
    n = tok.size
    x = P["emb"][tok] + P["pos"]
    q, k, v = x @ P["wq"], x @ P["wk"], x @ P["wv"]
    att = softmax(q @ k.transpose(0, 2, 1) / np.sqrt(D))
    y = att @ v
    prob = softmax(y @ P["out"])
    onehot = np.eye(N_SYM)[tgt]
    loss = -(onehot * np.log(prob + 1e-12)).sum() / n

    g = {}
    dl = (prob - onehot) / n
    g["out"] = np.tensordot(y, dl, axes=((0, 1), (0, 1)))
    dy = dl @ P["out"].T
    datt = dy @ v.transpose(0, 2, 1)
    dv = att.transpose(0, 2, 1) @ dy
    ds = att * (datt - (datt * att).sum(axis=-1, keepdims=True)) / np.sqrt(D)
    dq = ds @ k
    dk = ds.transpose(0, 2, 1) @ q
    dx = 0
    for name, d in (("wq", dq), ("wk", dk), ("wv", dv)):
        g[name] = np.tensordot(x, d, axes=((0, 1), (0, 1)))
        dx = dx + d @ P[name].T
    g["pos"] = dx.sum(axis=0)
    g["emb"] = np.zeros_like(P["emb"])
    np.add.at(g["emb"], tok, dx)
    return loss, g, (prob.argmax(-1) == tgt).mean()


for it in range(1, 501):
    tok = np.random.randint(0, N_SYM, (32, T))
    loss, g, acc = loss_and_grads(tok, tok[:, ::-1])
    for k in P:
        M[k] = 0.9 * M[k] + 0.1 * g[k]
        V[k] = 0.99 * V[k] + 0.01 * g[k] ** 2
        P[k] = P[k] - 0.01 * (M[k] / (1 - 0.9 ** it)) / (np.sqrt(V[k] / (1 - 0.99 ** it)) + 1e-8)
    if it % 100 == 0:
        print(it, "loss", round(loss, 4), "acc", acc)
