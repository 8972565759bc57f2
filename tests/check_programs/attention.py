"""Single-head causal self-attention on one sequence, an output projection and cross-entropy."""

import numpy as np

rng = np.random.default_rng(8)
T, D = 6, 6
x = rng.normal(size=(T, D))
targets = rng.integers(0, D, T)
mask = np.triu(np.ones((T, T)), k=1).astype(bool)
params = {name: rng.normal(size=(D, D)) * 0.5 for name in ("Wq", "Wk", "Wv", "Wo")}


def softmax(z):
    z = z - z.max(axis=-1, keepdims=True)
    e = np.exp(z)
    return e / e.sum(axis=-1, keepdims=True)


def forward(p):
    q, k, v = x @ p["Wq"], x @ p["Wk"], x @ p["Wv"]
    scores = q @ k.T / np.sqrt(D)
    scores = np.where(mask, -1e9, scores)
    att = softmax(scores)
    ctx = att @ v
    logits = ctx @ p["Wo"]
    return q, k, v, scores, att, ctx, logits, softmax(logits)


def loss(params):
    probs = forward(params)[-1]
    return -np.log(probs[np.arange(T), targets]).mean()


def grads(params):
    q, k, v, scores, att, ctx, logits, probs = forward(params)
    onehot = np.eye(D)[targets]
    dlogits = (probs - onehot) / T
    dWo = ctx.T @ dlogits
    dctx = dlogits @ params["Wo"].T
    datt = dctx @ v.T
    dv = att.T @ dctx
    dscores = att * (datt - (datt * att).sum(axis=-1, keepdims=True))
    dscores = np.where(mask, 0, dscores)
    dscores = dscores / np.sqrt(D)
    dq = dscores @ k
    dk = dscores.T @ q
    return {"Wq": x.T @ dq, "Wk": x.T @ dk, "Wv": x.T @ dv, "Wo": dWo}


# ruff: noqa: RUF059 (as learners write)
PLANTED = [
    ("constant-factor", "dlogits = (probs - onehot) / T", "dlogits = 2 * (probs - onehot) / T"),
    ("constant-factor", '"Wv": x.T @ dv', '"Wv": 0.5 * x.T @ dv'),
    ("batch-factor", "(probs - onehot) / T", "(probs - onehot)"),
    ("batch-factor", "dWo = ctx.T @ dlogits", "dWo = ctx.T @ dlogits / T"),
    ("sign", "(probs - onehot) / T", "(onehot - probs) / T"),
    ("sign", "dk = dscores.T @ q", "dk = -dscores.T @ q"),
    ("sign", "datt - (datt * att)", "datt + (datt * att)"),
    ("transpose", "dk = dscores.T @ q", "dk = dscores @ q"),
    ("transpose", "dv = att.T @ dctx", "dv = att @ dctx"),
    ("transpose", 'dlogits @ params["Wo"].T', 'dlogits @ params["Wo"]'),
    ("transpose", "dWo = ctx.T @ dlogits", "dWo = dlogits.T @ ctx"),
    (
        "missing-activation-derivative",
        "dscores = att * (datt - (datt * att).sum(axis=-1, keepdims=True))",
        "dscores = datt",
    ),
    (
        "softmax-wrong-axis",
        "dscores = att * (datt - (datt * att).sum(axis=-1, keepdims=True))",
        "dscores = att * (datt - (datt * att).sum(axis=0, keepdims=True))",
    ),
    (
        "softmax-wrong-axis",
        "dlogits = (probs - onehot) / T",
        "dlogits = (np.exp(logits) / np.exp(logits).sum(axis=0, keepdims=True) - onehot) / T",
    ),
    (
        "softmax-wrong-axis",
        "dscores = att * (datt - (datt * att).sum(axis=-1, keepdims=True))",
        "dscores = att * (datt - (datt * att).sum())",
    ),
    ("zero-gradient", '"Wk": x.T @ dk', '"Wk": np.zeros((D, D))'),
    ("stale-value", "dq = dscores @ k", "dq = dscores @ q"),
    ("stale-value", "datt = dctx @ v.T", "datt = dctx @ k.T"),
    (
        "stale-value",
        'dlogits @ params["Wo"].T',
        "dlogits @ Wo_then.T",
        "def softmax",
        'Wo_then = params["Wo"].copy()\n\n\ndef softmax',
    ),
    ("swapped-tensors", '"Wq": x.T @ dq, "Wk": x.T @ dk', '"Wq": x.T @ dk, "Wk": x.T @ dq'),
    ("swapped-tensors", '"Wk": x.T @ dk, "Wv": x.T @ dv', '"Wk": x.T @ dv, "Wv": x.T @ dk'),
    ("missing-step", '"Wk": x.T @ dk', '"Wk": x[1:].T @ dk[:-1]'),
    ("missing-step", '"Wv": x.T @ dv', '"Wv": x[:-1].T @ dv[:-1]'),
    ("dropped-term", "    dscores = dscores / np.sqrt(D)\n", ""),
    ("dropped-term", "att * (datt - (datt * att).sum(axis=-1, keepdims=True))", "att * datt"),
    (
        "accumulated",
        "    dWo = ctx.T @ dlogits",
        "    dWo = ctx.T @ dlogits\n    bank.append(dWo)\n    dWo = sum(bank)",
        "def grads",
        "bank = []\n\n\ndef grads",
    ),
]
