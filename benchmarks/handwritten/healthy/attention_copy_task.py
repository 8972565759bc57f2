import numpy as np

np.random.seed(10)
V, T, D, BATCH = 8, 5, 16, 24
E = np.random.randn(V, D) * 0.3
POS = np.random.randn(T, D) * 0.3
Wq = np.random.randn(D, D) / np.sqrt(D)
Wk = np.random.randn(D, D) / np.sqrt(D)
Wv = np.random.randn(D, D) / np.sqrt(D)
Wo = np.random.randn(D, V) / np.sqrt(D)
bo = np.zeros(V)
params = [E, POS, Wq, Wk, Wv, Wo, bo]
ms = [np.zeros_like(p) for p in params]
vs = [np.zeros_like(p) for p in params]


def softmax(s):
    s = s - s.max(-1, keepdims=True)
    e = np.exp(s)
    return e / e.sum(-1, keepdims=True)


def forward(tok):
    x = E[tok] + POS
    q, k, v = x @ Wq, x @ Wk, x @ Wv
    scores = q @ k.transpose(0, 2, 1) / np.sqrt(D)
    A = softmax(scores)
    ctx = A @ v
    h = ctx + x
    logits = h @ Wo + bo
    return x, q, k, v, A, ctx, h, softmax(logits)


def backward(tok, y, saved):
    x, q, k, v, A, ctx, h, probs = saved
    n = tok.size
    dlogits = (probs - np.eye(V)[y]) / n
    dWo = np.einsum('btd,btv->dv', h, dlogits)
    dbo = dlogits.sum((0, 1))
    dh = dlogits @ Wo.T
    dctx = dh
    dx = dh.copy()
    dA = dctx @ v.transpose(0, 2, 1)
    dv = A.transpose(0, 2, 1) @ dctx
    ds = A * (dA - (dA * A).sum(-1, keepdims=True))
    ds = ds / np.sqrt(D)
    dq = ds @ k
    dk = ds.transpose(0, 2, 1) @ q
    dWq = np.einsum('bti,btj->ij', x, dq)
    dWk = np.einsum('bti,btj->ij', x, dk)
    dWv = np.einsum('bti,btj->ij', x, dv)
    dx += dq @ Wq.T + dk @ Wk.T + dv @ Wv.T
    dE = np.zeros_like(E)
    np.add.at(dE, tok, dx)
    dPOS = dx.sum(0)
    return [dE, dPOS, dWq, dWk, dWv, dWo, dbo]


for step in range(1, 801):
    tok = np.random.randint(0, V, (BATCH, T))
    y = tok[:, ::-1]
    saved = forward(tok)
    probs = saved[-1]
    loss = -np.log(np.take_along_axis(probs, y[..., None], -1)).mean()
    grads = backward(tok, y, saved)
    for i, (p, g) in enumerate(zip(params, grads)):
        ms[i] = 0.9 * ms[i] + 0.1 * g
        vs[i] = 0.999 * vs[i] + 0.001 * g * g
        p -= 0.005 * (ms[i] / (1 - 0.9 ** step)) / (np.sqrt(vs[i] / (1 - 0.999 ** step)) + 1e-8)
    if step % 100 == 0:
        print(step, loss)
