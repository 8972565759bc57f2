"""A bag of words: embedding lookup, mean over the words, softplus layer, log-softmax."""

import numpy as np

random = np.random.RandomState(11)
V, E, C, N, L = 9, 5, 3, 6, 4
tokens = random.randint(0, V, (N, L))
labels = random.randint(0, C, N)
params = {
    "emb": random.randn(V, E),
    "W1": random.randn(E, E) * 0.6,
    "b1": np.zeros(E),
    "W2": random.randn(E, C) * 0.6,
    "b2": np.zeros(C),
}


def forward(p):
    vectors = p["emb"][tokens]
    pooled = vectors.mean(axis=1)
    z = pooled @ p["W1"] + p["b1"]
    h = np.log(1 + np.exp(z))
    logits = h @ p["W2"] + p["b2"]
    logp = logits - np.log(np.sum(np.exp(logits), axis=1, keepdims=True))
    return vectors, pooled, z, h, logits, logp


def loss(params):
    logp = forward(params)[-1]
    return -logp[np.arange(N), labels].mean()


def grads(params):
    vectors, pooled, z, h, logits, logp = forward(params)
    dlogits = np.exp(logp)
    dlogits[np.arange(N), labels] -= 1
    dlogits /= N
    dW2 = h.T @ dlogits
    db2 = dlogits.sum(axis=0)
    dh = dlogits @ params["W2"].T
    dz = dh / (1 + np.exp(-z))
    dW1 = pooled.T @ dz
    db1 = dz.sum(axis=0)
    dpooled = dz @ params["W1"].T
    dvectors = np.repeat(dpooled[:, None, :], L, axis=1) / L
    demb = np.zeros((V, E))
    np.add.at(demb, tokens, dvectors)
    return {"emb": demb, "W1": dW1, "b1": db1, "W2": dW2, "b2": db2}


# ruff: noqa: RUF059 (as learners write)
PLANTED = [
    ("constant-factor", "dlogits /= N", "dlogits *= 0.5 / N"),
    ("batch-factor", "    dlogits /= N\n", ""),
    ("batch-factor", "    dlogits /= N\n", "    dlogits /= N * N\n"),
    ("sign", "dlogits /= N", "dlogits /= -N"),
    ("transpose", 'dpooled = dz @ params["W1"].T', 'dpooled = dz @ params["W1"]'),
    ("transpose", "dW1 = pooled.T @ dz", "dW1 = dz.T @ pooled"),
    ("missing-broadcast-sum", "db1 = dz.sum(axis=0)", "db1 = dz"),
    ("missing-broadcast-sum", "db1 = dz.sum(axis=0)", "db1 = dz[0]"),
    ("missing-activation-derivative", "dz = dh / (1 + np.exp(-z))", "dz = dh"),
    ("derivative-at-wrong-point", "dz = dh / (1 + np.exp(-z))", "dz = dh / (1 + np.exp(-h))"),
    (
        "softmax-wrong-axis",
        "dlogits = np.exp(logp)",
        "dlogits = np.exp(logits) / np.sum(np.exp(logits), axis=0, keepdims=True)",
    ),
    ("softmax-wrong-axis", "dlogits = np.exp(logp)", "dlogits = np.exp(logits) / np.sum(np.exp(logits))"),
    ("zero-gradient", "    np.add.at(demb, tokens, dvectors)\n", ""),
    ("stale-value", "dW1 = pooled.T @ dz", "dW1 = vectors[:, 0].T @ dz"),
    ("stale-value", "dW1 = pooled.T @ dz", "dW1 = h.T @ dz"),
    ("missing-step", "np.add.at(demb, tokens, dvectors)", "np.add.at(demb, tokens[:, :-1], dvectors[:, :-1])"),
    ("missing-step", "np.add.at(demb, tokens, dvectors)", "np.add.at(demb, tokens[:, 1:], dvectors[:, 1:])"),
    ("missing-broadcast-sum", "np.add.at(demb, tokens, dvectors)", "demb[tokens] += dvectors"),
    ("dropped-term", "    dlogits[np.arange(N), labels] -= 1\n", ""),
    ("accumulated", "    demb = np.zeros((V, E))\n", "", "def grads", "demb = np.zeros((V, E))\n\n\ndef grads"),
    (
        "constant-factor|batch-factor",
        "np.repeat(dpooled[:, None, :], L, axis=1) / L",
        "np.repeat(dpooled[:, None, :], L, axis=1)",
    ),
]
