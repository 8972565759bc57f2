"""A transformer block on a batch: layer norm, two-head attention, residuals, a GELU MLP; squared error."""

import numpy as np

rng = np.random.default_rng(12)
B, T, D, H = 2, 4, 4, 2
x = rng.normal(size=(B, T, D))
y = rng.normal(size=(B, T, D))
params = {
    "g1": 1 + 0.1 * rng.normal(size=D),
    "c1": 0.1 * rng.normal(size=D),
    "Wq": rng.normal(size=(D, D)) * 0.7,
    "Wk": rng.normal(size=(D, D)) * 0.7,
    "Wv": rng.normal(size=(D, D)) * 0.7,
    "Wo": rng.normal(size=(D, D)) * 0.7,
    "g2": 1 + 0.1 * rng.normal(size=D),
    "c2": 0.1 * rng.normal(size=D),
    "W1": rng.normal(size=(D, 8)) * 0.5,
    "b1": np.zeros(8),
    "W2": rng.normal(size=(8, D)) * 0.5,
    "b2": np.zeros(D),
}


def split(a):  # (B, T, D) -> (B, H, T, D/H)
    return a.reshape(B, T, H, D // H).transpose(0, 2, 1, 3)


def merge(a):
    return a.transpose(0, 2, 1, 3).reshape(B, T, D)


def layer_norm(a, g, c):
    mean = a.mean(axis=-1, keepdims=True)
    var = a.var(axis=-1, keepdims=True)
    inv = 1 / np.sqrt(var + 1e-5)
    hat = (a - mean) * inv
    return hat * g + c, (hat, inv, g)


def layer_norm_backward(dout, cache):
    hat, inv, g = cache
    dg = (dout * hat).sum(axis=(0, 1))
    dc = dout.sum(axis=(0, 1))
    dhat = dout * g
    mean_dhat = dhat.mean(axis=-1, keepdims=True)
    mean_dhat_hat = (dhat * hat).mean(axis=-1, keepdims=True)
    return inv * (dhat - mean_dhat - hat * mean_dhat_hat), dg, dc


def gelu(z):
    return 0.5 * z * (1 + np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3)))


def gelu_prime(z):
    t = np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3))
    return 0.5 * (1 + t) + 0.5 * z * (1 - t**2) * np.sqrt(2 / np.pi) * (1 + 3 * 0.044715 * z**2)


def forward(p):
    n1, cache1 = layer_norm(x, p["g1"], p["c1"])
    q, k, v = split(n1 @ p["Wq"]), split(n1 @ p["Wk"]), split(n1 @ p["Wv"])
    s = q @ k.transpose(0, 1, 3, 2) / np.sqrt(D // H)
    e = np.exp(s - s.max(axis=-1, keepdims=True))
    a = e / e.sum(axis=-1, keepdims=True)
    o = merge(a @ v)
    r1 = x + o @ p["Wo"]
    n2, cache2 = layer_norm(r1, p["g2"], p["c2"])
    z = n2 @ p["W1"] + p["b1"]
    u = gelu(z)
    r2 = r1 + u @ p["W2"] + p["b2"]
    return n1, cache1, q, k, v, a, o, r1, n2, cache2, z, u, r2


def loss(params):
    r2 = forward(params)[-1]
    return np.mean((r2 - y) ** 2)


def grads(params):
    n1, cache1, q, k, v, a, o, r1, n2, cache2, z, u, r2 = forward(params)
    g = {}
    dr2 = 2 * (r2 - y) / r2.size
    g["W2"] = np.einsum("bti,btj->ij", u, dr2)
    g["b2"] = dr2.sum(axis=(0, 1))
    du = dr2 @ params["W2"].T
    dz = du * gelu_prime(z)
    g["W1"] = np.einsum("bti,btj->ij", n2, dz)
    g["b1"] = dz.sum(axis=(0, 1))
    dn2 = dz @ params["W1"].T
    dr1, g["g2"], g["c2"] = layer_norm_backward(dn2, cache2)
    dr1 = dr1 + dr2
    g["Wo"] = np.einsum("bti,btj->ij", o, dr1)
    do = split(dr1 @ params["Wo"].T)
    da = do @ v.transpose(0, 1, 3, 2)
    dv = a.transpose(0, 1, 3, 2) @ do
    ds = a * (da - (da * a).sum(axis=-1, keepdims=True)) / np.sqrt(D // H)
    dq = ds @ k
    dk = ds.transpose(0, 1, 3, 2) @ q
    dq, dk, dv = merge(dq), merge(dk), merge(dv)
    for name, d in (("Wq", dq), ("Wk", dk), ("Wv", dv)):
        g[name] = np.tensordot(n1, d, axes=([0, 1], [0, 1]))
    dn1 = dq @ params["Wq"].T + dk @ params["Wk"].T + dv @ params["Wv"].T
    _, g["g1"], g["c1"] = layer_norm_backward(dn1, cache1)
    return g


# ruff: noqa: RUF059 (as learners write)
PLANTED = [
    ("constant-factor", "dr2 = 2 * (r2 - y) / r2.size", "dr2 = (r2 - y) / r2.size"),
    ("constant-factor", 'g["W1"] = np.einsum', 'g["W1"] = 2 * np.einsum'),
    ("batch-factor", "2 * (r2 - y) / r2.size", "2 * (r2 - y)"),
    ("sign", "inv * (dhat - mean_dhat - hat", "inv * (dhat - mean_dhat + hat"),
    ("sign", "ds = a * (da - (da", "ds = -a * (da - (da"),
    ("transpose", "dk = ds.transpose(0, 1, 3, 2) @ q", "dk = ds @ q"),
    ("transpose", "dv = a.transpose(0, 1, 3, 2) @ do", "dv = a @ do"),
    ("transpose", 'split(dr1 @ params["Wo"].T)', 'split(dr1 @ params["Wo"])'),
    ("missing-broadcast-sum", 'g["b1"] = dz.sum(axis=(0, 1))', 'g["b1"] = dz.sum(axis=0)'),
    ("missing-broadcast-sum", "dg = (dout * hat).sum(axis=(0, 1))", "dg = (dout * hat).sum(axis=1)"),
    ("missing-broadcast-sum|missing-step", 'g["b2"] = dr2.sum(axis=(0, 1))', 'g["b2"] = dr2[0].sum(axis=0)'),
    ("missing-activation-derivative", "dz = du * gelu_prime(z)", "dz = du"),
    ("derivative-at-wrong-point", "dz = du * gelu_prime(z)", "dz = du * gelu_prime(u)"),
    ("softmax-wrong-axis", "(da * a).sum(axis=-1, keepdims=True)", "(da * a).sum(axis=-2, keepdims=True)"),
    ("zero-gradient", "    return g", '    g["c2"] = np.zeros(D)\n    return g'),
    ("stale-value", 'np.einsum("bti,btj->ij", n2, dz)', 'np.einsum("bti,btj->ij", r1, dz)'),
    ("stale-value", 'np.einsum("bti,btj->ij", o, dr1)', 'np.einsum("bti,btj->ij", n1, dr1)'),
    ("stale-value", "da = do @ v.transpose", "da = do @ k.transpose"),
    ("swapped-tensors", '("Wq", dq), ("Wk", dk)', '("Wk", dq), ("Wq", dk)'),
    ("swapped-tensors", '_, g["g1"], g["c1"] = layer', '_, g["c1"], g["g1"] = layer'),
    ("dropped-term", "    dr1 = dr1 + dr2\n", ""),
    ("dropped-term", "dhat - mean_dhat - hat * mean_dhat_hat", "dhat - hat * mean_dhat_hat"),
    ("dropped-term", "dhat - mean_dhat - hat * mean_dhat_hat", "dhat - mean_dhat"),
    ("dropped-term", "dhat - mean_dhat - hat * mean_dhat_hat", "dhat"),
    ("dropped-term", " / np.sqrt(D // H)\n    dq", "\n    dq"),
    ("dropped-term", ' + dv @ params["Wv"].T', ""),
    ("dropped-term", "(da - (da * a).sum(axis=-1, keepdims=True))", "da"),
    (
        "accumulated",
        "    g = {}\n",
        "    g = {}\n    G.append(g)\n",
        "def grads",
        "G = []\n\n\ndef grads",
        "    return g",
        "    return {k: sum(h[k] for h in G) for k in g}",
    ),
    (
        "missing-step",
        'g["W2"] = np.einsum("bti,btj->ij", u, dr2)',
        'g["W2"] = np.einsum("bti,btj->ij", u[:, 1:], dr2[:, 1:])',
    ),
    (
        "missing-step",
        'g["W2"] = np.einsum("bti,btj->ij", u, dr2)',
        'g["W2"] = np.einsum("bti,btj->ij", u[:, :-1], dr2[:, 1:])',
    ),
]
