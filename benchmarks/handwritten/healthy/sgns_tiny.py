import numpy as np
from collections import Counter

text = """the king rules the land and the queen rules the land with the king the prince is the son of the king and the queen
the dog chases the cat and the cat chases the mouse the mouse eats the cheese and the dog eats the bone a man walks the dog in
the park and a woman walks in the park with the man the child plays in the park with the dog""".split()
vocab = [w for w, _ in Counter(text).most_common()]
w2i = {w: i for i, w in enumerate(vocab)}
corpus = [w2i[w] for w in text]
V, dim, window, k = len(vocab), 12, 2, 4
freq = np.array([text.count(w) for w in vocab]) ** 0.75
freq = freq / freq.sum()
np.random.seed(5)
center_vecs = (np.random.rand(V, dim) - 0.5) / dim
context_vecs = (np.random.rand(V, dim) - 0.5) / dim


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def train_pair(c, o, lr):
    negs = np.random.choice(V, size=k, p=freq)
    v = center_vecs[c]
    u = context_vecs[o]
    score = sigmoid(np.dot(u, v))
    loss = -np.log(score)
    grad_v = (score - 1) * u
    grad_u = (score - 1) * v
    neg_grads = []
    for n in negs:
        un = context_vecs[n]
        s = sigmoid(-np.dot(un, v))
        loss -= np.log(s)
        grad_v = grad_v + (1 - s) * un
        neg_grads.append((1 - s) * v)
    context_vecs[o] -= lr * grad_u
    for n, g in zip(negs, neg_grads):
        context_vecs[n] -= lr * g
    center_vecs[c] -= lr * grad_v
    return loss


for epoch in range(60):
    total, count = 0.0, 0
    for i, c in enumerate(corpus):
        for j in range(max(0, i - window), min(len(corpus), i + window + 1)):
            if i == j:
                continue
            total += train_pair(c, corpus[j], 0.05)
            count += 1
    if epoch % 10 == 0:
        print('epoch', epoch, 'loss', total / count)
