import numpy as np

words = """anna hannah otto bob lena nina emma ella hanna leon leo noel elena nora aaron oleg
helena lea lola lana ron norbert robert albert berta greta rena renate arno thea""".split()
letters = ["."] + sorted(set("".join(words)))
stoi = {s: i for i, s in enumerate(letters)}
V = len(letters)

xs, ys = [], []
for w in words:
    chs = ["."] + list(w) + ["."]
    for ch1, ch2 in zip(chs, chs[1:]):
        xs.append(stoi[ch1])
        ys.append(stoi[ch2])
xs = np.array(xs)
ys = np.array(ys)
num = len(xs)
print("number of examples:", num)

g = np.random.default_rng(2147483647)
W = g.normal(size=(V, V))

for k in range(200):
    xenc = np.eye(V)[xs]
    logits = xenc @ W
    counts = np.exp(logits)
    probs = counts / counts.sum(1, keepdims=True)
    loss = -np.log(probs[np.arange(num), ys]).mean() + 0.01 * (W**2).mean()

    dlogits = probs.copy()
    dlogits[np.arange(num), ys] -= 1
    dlogits /= num
    dW = xenc.T @ dlogits + 0.01 * 2 * W / W.size
    W += -10 * dW
    if k % 40 == 0:
        print(k, loss)

# sample some names
for i in range(3):
    out, ix = "", 0
    while len(out) < 12:
        p = np.exp(W[ix]) / np.exp(W[ix]).sum()
        ix = g.choice(V, p=p)
        if ix == 0:
            break
        out += letters[ix]
    print(out)
