# continuous bag of words with a full softmax, tiny corpus
import numpy as np

np.random.seed(10)
sentences = [
    "i drink hot coffee in the morning",
    "she drinks hot tea in the evening",
    "we eat fresh bread in the morning",
    "they eat warm soup in the evening",
    "i read the news in the morning",
    "she reads a book in the evening",
]
tokens = [s.split() for s in sentences]
vocab = {}
for s in tokens:
    for w in s:
        vocab.setdefault(w, len(vocab))
V, N = len(vocab), 10


class CBOW:
    def __init__(self):
        self.E = np.random.randn(V, N) * 0.3
        self.O = np.random.randn(N, V) * 0.3

    def train_one(self, context, target, lr):
        # mean of the context vectors
        h = self.E[context].mean(axis=0)
        u = h @ self.O
        y = np.exp(u - u.max())
        y /= y.sum()
        e = y.copy()
        e[target] -= 1
        dO = np.outer(h, e)
        dh = self.O @ e
        self.O -= lr * dO
        for c in context:
            self.E[c] -= lr * dh / len(context)
        return -np.log(y[target])


model = CBOW()
for epoch in range(80):
    losses = []
    for s in tokens:
        for i, word in enumerate(s):
            context = [vocab[s[j]] for j in (i - 2, i - 1, i + 1, i + 2) if 0 <= j < len(s)]
            losses.append(model.train_one(context, vocab[word], 0.2))
    if epoch % 16 == 0:
        print(epoch, np.mean(losses))
print("final", np.mean(losses))
