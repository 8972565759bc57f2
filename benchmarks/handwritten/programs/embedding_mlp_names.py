import numpy as np

rng = np.random.RandomState(0)
text = "the cat sat on the mat and the rat sat on the hat while the bat had a nap on a map " * 3
itos = sorted(set(text))
stoi = {c: i for i, c in enumerate(itos)}
V, block, n_embd, n_hidden = len(itos), 3, 6, 40

X, Y = [], []
for i in range(len(text) - block):
    X.append([stoi[c] for c in text[i:i + block]])
    Y.append(stoi[text[i + block]])
X, Y = np.array(X), np.array(Y)

C = rng.randn(V, n_embd)
W1 = rng.randn(n_embd * block, n_hidden) * (5 / 3) / (n_embd * block) ** 0.5
b1 = rng.randn(n_hidden) * 0.1
W2 = rng.randn(n_hidden, V) * 0.1
b2 = rng.randn(V) * 0.1
parameters = [C, W1, b1, W2, b2]
print("parameters:", sum(p.size for p in parameters))

batch_size = 32
n = batch_size
for step in range(1500):
    ix = rng.randint(0, len(X), batch_size)
    Xb, Yb = X[ix], Y[ix]
    # forward pass
    emb = C[Xb]
    embcat = emb.reshape(n, -1)
    hpreact = embcat @ W1 + b1
    h = np.tanh(hpreact)
    logits = h @ W2 + b2
    logit_maxes = logits.max(1, keepdims=True)
    norm_logits = logits - logit_maxes
    counts = np.exp(norm_logits)
    probs = counts / counts.sum(1, keepdims=True)
    loss = -np.log(probs[range(n), Yb]).mean()
    # backward pass
    dlogits = probs.copy()
    dlogits[range(n), Yb] -= 1
    dlogits /= n
    dh = dlogits @ W2.T
    dW2 = h.T @ dlogits
    db2 = dlogits.sum(0)
    dhpreact = (1.0 - h ** 2) * dh
    dembcat = dhpreact @ W1.T
    dW1 = embcat.T @ dhpreact
    db1 = dhpreact.sum(0)
    demb = dembcat.reshape(emb.shape)
    dC = np.zeros_like(C)
    for k in range(Xb.shape[0]):
        for j in range(Xb.shape[1]):
            dC[Xb[k, j]] += demb[k, j]
    grads = [dC, dW1, db1, dW2, db2]
    lr = 0.3 if step < 1000 else 0.05
    for p, grad in zip(parameters, grads):
        p += -lr * grad
    if step % 300 == 0:
        print(f"{step:5d}: {loss:.4f}")
print("last loss", loss)
