import numpy as np

np.random.seed(0)

T = 8
hidden = 12
vocab = 2
n_train = 300

seqs = np.random.randint(0, 2, (n_train, T))
labels = (seqs.sum(axis=1) > T / 2).astype(int)

Wxh = np.random.randn(hidden, vocab) * 0.2
Whh = np.random.randn(hidden, hidden) * 0.2
Why = np.random.randn(2, hidden) * 0.2
bh = np.zeros((hidden, 1))
by = np.zeros((2, 1))


def rnn_loss(seq, target):
    xs, hs = {}, {-1: np.zeros((hidden, 1))}
    for t in range(T):
        xs[t] = np.zeros((vocab, 1))
        xs[t][seq[t]] = 1
        hs[t] = np.tanh(Wxh @ xs[t] + Whh @ hs[t - 1] + bh)
    y = Why @ hs[T - 1] + by
    p = np.exp(y - y.max()) / np.sum(np.exp(y - y.max()))
    loss = -np.log(p[target, 0] + 1e-12)

    dy = p.copy()
    dy[target] -= 1
    dWhy = dy @ hs[T - 1].T
    dby = dy
    dWxh, dWhh, dbh = np.zeros_like(Wxh), np.zeros_like(Whh), np.zeros_like(bh)
    dh = Why.T @ dy
    for t in reversed(range(T)):
        draw = (1 - hs[t] ** 2) * dh
        dbh += draw
        dWxh += draw @ xs[t].T
        dWhh += draw @ hs[t - 1].T
        dh = Whh.T @ draw
    for d in [dWxh, dWhh, dWhy, dbh, dby]:
        np.clip(d, -5, 5, out=d)
    return loss, p, [dWxh, dWhh, dWhy, dbh, dby]


learning_rate = 0.05
for epoch in range(12):
    total, correct = 0.0, 0
    for n in np.random.permutation(n_train):
        loss, p, grads = rnn_loss(seqs[n], labels[n])
        total += loss
        correct += int(p.argmax() == labels[n])
        for param, grad in zip([Wxh, Whh, Why, bh, by], grads):
            param -= learning_rate * grad
    print("epoch %d loss %.4f acc %.3f" % (epoch, total / n_train, correct / n_train))
print("final", correct / n_train)
