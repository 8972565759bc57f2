# neural language model: one hidden layer on one-hot pairs, columns are examples
import numpy as np

np.random.seed(7)
text = (
    "peter piper picked a peck of pickled peppers. a peck of pickled peppers peter piper picked. "
    "if peter piper picked a peck of pickled peppers, where is the peck of pickled peppers?"
)
alphabet = sorted(set(text))
ids = {c: k for k, c in enumerate(alphabet)}
A = len(alphabet)


def column(c):
    v = np.zeros((A, 1))
    v[ids[c]] = 1
    return v


X = np.hstack([np.vstack([column(a), column(b)]) for a, b in zip(text, text[1:-1])])
T = np.hstack([column(c) for c in text[2:]])
m = X.shape[1]

HID = 30
theta = {
    "U": np.random.randn(HID, 2 * A) * 0.3,
    "p": np.zeros((HID, 1)),
    "V": np.random.randn(A, HID) * 0.3,
    "q": np.zeros((A, 1)),
}
eta = 2.0

for it in range(400):
    hidden = np.tanh(theta["U"] @ X + theta["p"])
    scores = theta["V"] @ hidden + theta["q"]
    scores -= scores.max(axis=0, keepdims=True)
    logp = scores - np.log(np.exp(scores).sum(axis=0, keepdims=True))
    nll = -(T * logp).sum() / m

    dscores = (np.exp(logp) - T) / m
    dV = dscores @ hidden.T
    dq = dscores.sum(axis=1, keepdims=True)
    dhidden = theta["V"].T @ dscores
    dpre = dhidden * (1 - hidden**2)
    dU = dpre @ X.T
    dp = dpre.sum(axis=1, keepdims=True)

    for name, grad in {"U": dU, "p": dp, "V": dV, "q": dq}.items():
        theta[name] = theta[name] - eta * grad
    if it % 80 == 0:
        print(it, "bits per letter", nll / np.log(2))
print("end", nll / np.log(2))
