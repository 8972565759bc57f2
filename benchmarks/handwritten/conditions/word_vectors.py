import numpy as np

np.random.seed(0)

corpus = """the king rules the castle . the queen rules the castle . the dog chases the cat . the cat chases the mouse .
the king loves the queen . the dog likes meat . the cat likes milk . the mouse likes cheese . a king and a queen live in
the castle . a dog and a cat live in the house . the mouse eats cheese in the house . the man drinks milk in the castle ."""
tokens = corpus.split()
vocab = sorted(set(tokens))
w2i = {w: i for i, w in enumerate(vocab)}
V, D = len(vocab), 10

pairs = []
for i, w in enumerate(tokens):
    for j in range(max(0, i - 2), min(len(tokens), i + 3)):
        if i != j:
            pairs.append((w2i[w], w2i[tokens[j]]))

W_in = np.random.randn(V, D) * 0.1
W_out = np.random.randn(D, V) * 0.1


def softmax(x):
    e = np.exp(x - np.max(x))
    return e / e.sum()


lr = 0.05
for epoch in range(25):
    loss = 0
    np.random.shuffle(pairs)
    for center, context in pairs:
        h = W_in[center]
        u = h @ W_out
        p = softmax(u)
        loss -= np.log(p[context])
        e = p.copy()
        e[context] -= 1
        dW_out = np.outer(h, e)
        dh = W_out @ e
        W_out -= lr * dW_out
        W_in[center] -= lr * dh
    print(epoch, loss / len(pairs))

final = 0
for center, context in pairs:
    final -= np.log(softmax(W_in[center] @ W_out)[context])
print("loss", final / len(pairs))
