import numpy as np

corpus = """the king rules the land . the queen rules the land . the dog eats the bone .
the cat eats the fish . the king loves the queen . the queen loves the king . the dog chases the cat .
the cat fears the dog . a king has a crown . a queen has a crown . a dog has a tail . a cat has a tail .""".split()

vocab = sorted(set(corpus))
word2id = {w: i for i, w in enumerate(vocab)}
ids = [word2id[w] for w in corpus]

np.random.seed(0)
dim = 12
window = 2
negatives = 8
lr = 0.05

W_in = np.random.uniform(-0.5, 0.5, (len(vocab), dim)) / dim
W_out = np.random.uniform(-0.5, 0.5, (len(vocab), dim)) / dim

counts = np.bincount(ids) ** 0.75
noise = counts / counts.sum()


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def train_pair(center, context):
    """positive pair together with some negative samples"""
    neg = np.random.choice(len(vocab), negatives, p=noise)
    v = W_in[center]
    words = np.concatenate([[context], neg])
    label = np.zeros(negatives + 1)
    label[0] = 1
    u = W_out[words]
    score = sigmoid(u @ v)
    loss = -np.log(score[0] + 1e-10) - np.sum(np.log(1 - score[1:] + 1e-10))
    err = score - label
    grad_v = err @ u
    grad_u = np.outer(err, v)
    W_in[center] -= lr * grad_v
    np.add.at(W_out, words, -lr * grad_u)
    return loss


for epoch in range(30):
    total, n = 0, 0
    for pos, center in enumerate(ids):
        for k in range(max(0, pos - window), min(len(ids), pos + window + 1)):
            if k != pos:
                total += train_pair(center, ids[k])
                n += 1
    if epoch % 5 == 4:
        print(f"epoch {epoch + 1}: {total / n:.3f}")


def cos(a, b):
    a, b = W_in[word2id[a]], W_in[word2id[b]]
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)


print("king/queen", cos("king", "queen"), "king/fish", cos("king", "fish"))
