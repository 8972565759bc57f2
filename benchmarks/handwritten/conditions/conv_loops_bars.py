import numpy as np

np.random.seed(0)


def make_image(kind):
    img = np.random.randint(0, 60, (8, 8)).astype(float)
    k = np.random.randint(1, 7)
    if kind == 0:
        img[k, :] = 255
    else:
        img[:, k] = 255
    return img


images = np.array([make_image(i // 60) for i in range(120)])
labels = np.array([i // 60 for i in range(120)])
images = images / 255.0 - 0.5

filters = np.random.randn(3, 3, 3) / 9
weights = np.random.randn(3 * 36, 2) / 108
bias = np.zeros(2)


def conv(image):
    out = np.zeros((6, 6, 3))
    for i in range(6):
        for j in range(6):
            region = image[i : i + 3, j : j + 3]
            out[i, j] = np.sum(region * filters, axis=(1, 2))
    return out


def train(image, label, lr):
    global filters, weights, bias
    pre = conv(image)
    act = np.maximum(pre, 0)
    flat = act.flatten()
    scores = flat @ weights + bias
    exps = np.exp(scores - np.max(scores))
    probs = exps / exps.sum()
    loss = -np.log(probs[label] + 1e-10)

    d_scores = probs.copy()
    d_scores[label] -= 1
    d_weights = np.outer(flat, d_scores)
    d_act = (weights @ d_scores).reshape(act.shape)
    d_pre = d_act * (pre > 0)
    d_filters = np.zeros(filters.shape)
    for i in range(6):
        for j in range(6):
            for f in range(3):
                d_filters[f] += d_pre[i, j, f] * image[i : i + 3, j : j + 3]
    filters -= lr * d_filters
    weights -= lr * d_weights
    bias -= lr * d_scores
    return loss, probs.argmax() == label


for epoch in range(6):
    loss, correct = 0, 0
    perm = np.random.permutation(len(images))
    for n in perm:
        l, c = train(images[n], labels[n], 0.02)
        loss += l
        correct += c
    print("Epoch", epoch, "loss", loss / 120, "accuracy", correct / 120)

hits = 0
for im, label in zip(images, labels):
    hits += (np.maximum(conv(im), 0).flatten() @ weights + bias).argmax() == label
print("accuracy", hits / 120)
