"""A character-level recurrent network in the manner of min-char-rnn: column vectors, a dict entry per time step."""

import numpy as np

np.random.seed(6)
vocab, hidden, T = 5, 5, 6
inputs = np.random.randint(0, vocab, T)
targets = np.random.randint(0, vocab, T)
params = {
    "Wxh": np.random.randn(hidden, vocab) * 0.5,
    "Whh": np.random.randn(hidden, hidden) * 0.5,
    "Why": np.random.randn(vocab, hidden) * 0.5,
    "bh": np.zeros((hidden, 1)),
    "by": np.zeros((vocab, 1)),
}


def forward(p):
    xs, hs, ys, ps = {}, {}, {}, {}
    hs[-1] = np.zeros((hidden, 1))
    total = 0
    for t in range(T):
        xs[t] = np.zeros((vocab, 1))
        xs[t][inputs[t]] = 1
        hs[t] = np.tanh(np.dot(p["Wxh"], xs[t]) + np.dot(p["Whh"], hs[t - 1]) + p["bh"])
        ys[t] = np.dot(p["Why"], hs[t]) + p["by"]
        ps[t] = np.exp(ys[t]) / np.sum(np.exp(ys[t]))
        total += -np.log(ps[t][targets[t], 0])
    return total, xs, hs, ys, ps


def loss(params):
    return forward(params)[0]


def grads(params):
    _, xs, hs, ys, ps = forward(params)
    Whh, Why = params["Whh"], params["Why"]
    dWxh, dWhh, dWhy = np.zeros_like(params["Wxh"]), np.zeros_like(Whh), np.zeros_like(Why)
    dbh, dby = np.zeros_like(params["bh"]), np.zeros_like(params["by"])
    dhnext = np.zeros_like(hs[0])
    for t in reversed(range(T)):
        dy = np.copy(ps[t])
        dy[targets[t]] -= 1
        dWhy += np.dot(dy, hs[t].T)
        dby += dy
        dh = np.dot(Why.T, dy) + dhnext
        dhraw = (1 - hs[t] * hs[t]) * dh
        dbh += dhraw
        dWxh += np.dot(dhraw, xs[t].T)
        dWhh += np.dot(dhraw, hs[t - 1].T)
        dhnext = np.dot(Whh.T, dhraw)
    return {"Wxh": dWxh, "Whh": dWhh, "Why": dWhy, "bh": dbh, "by": dby}


# ruff: noqa: NPY002, RUF059 (as learners write)
PLANTED = [
    ("constant-factor", "dWhy += np.dot(dy, hs[t].T)", "dWhy += 2 * np.dot(dy, hs[t].T)"),
    ("constant-factor", '    return {"Wxh": dWxh', '    return {"Wxh": dWxh / 2'),
    (
        "batch-factor",
        '    return {"Wxh"',
        '    for d in (dWxh, dWhh, dWhy, dbh, dby):\n        d /= T\n    return {"Wxh"',
    ),
    ("sign", "dWxh += np.dot(dhraw", "dWxh -= np.dot(dhraw"),
    ("sign", "dh = np.dot(Why.T, dy) + dhnext", "dh = np.dot(Why.T, dy) - dhnext"),
    ("transpose", "dhnext = np.dot(Whh.T, dhraw)", "dhnext = np.dot(Whh, dhraw)"),
    ("transpose", "dh = np.dot(Why.T, dy)", "dh = np.dot(Why, dy)"),
    ("transpose", "dWhh += np.dot(dhraw, hs[t - 1].T)", "dWhh += np.dot(hs[t - 1], dhraw.T)"),
    ("missing-activation-derivative", "dhraw = (1 - hs[t] * hs[t]) * dh", "dhraw = dh"),
    ("derivative-at-wrong-point", "(1 - hs[t] * hs[t]) * dh", "(1 - np.tanh(hs[t]) ** 2) * dh"),
    ("missing-step|stale-value", "(1 - hs[t] * hs[t]) * dh", "(1 - hs[t - 1] * hs[t - 1]) * dh"),
    ("zero-gradient", "        dbh += dhraw\n", ""),
    ("zero-gradient", "        dWxh += np.dot(dhraw, xs[t].T)\n", ""),
    ("stale-value", "        dWxh += np.dot(dhraw, xs[t].T)\n", "        dWxh += np.dot(dhraw, xs[0].T)\n"),
    (
        "accumulated",
        '    dbh, dby = np.zeros_like(params["bh"]), np.zeros_like(params["by"])\n',
        '    dbh, dby = sums["bh"], sums["by"]\n',
        "def grads",
        'sums = {"bh": np.zeros((hidden, 1)), "by": np.zeros((vocab, 1))}\n\n\ndef grads',
        '"bh": dbh, "by": dby',
        '"bh": dbh.copy(), "by": dby.copy()',
    ),
    ("swapped-tensors", '"Whh": dWhh, "Why": dWhy', '"Whh": dWhy, "Why": dWhh'),
    ("swapped-tensors", '"bh": dbh, "by": dby', '"bh": dby, "by": dbh'),
    ("missing-step", "for t in reversed(range(T))", "for t in reversed(range(1, T))"),
    ("missing-step", "for t in reversed(range(T))", "for t in reversed(range(T - 1))"),
    ("missing-step", "hs[t - 1].T)\n        dhnext", "hs[t].T)\n        dhnext"),
    ("missing-step", "dWxh += np.dot(dhraw, xs[t].T)", "dWxh += np.dot(dhraw, xs[max(t - 1, 0)].T)"),
    ("dropped-term", "np.dot(Why.T, dy) + dhnext", "np.dot(Why.T, dy)"),
    ("dropped-term", "np.dot(Why.T, dy) + dhnext", "dhnext + (np.dot(Why.T, dy) if t == T - 1 else 0)"),
    ("dropped-term", "        dy[targets[t]] -= 1\n", ""),
]
