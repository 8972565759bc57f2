# horizontal or vertical bars, conv net with im2col, mini batches
import numpy as np

rng = np.random.default_rng(1)


def make(n):
    imgs = 0.3 * rng.standard_normal((n, 1, 6, 6))
    lab = rng.integers(0, 2, n)
    for k in range(n):
        pos = rng.integers(0, 6)
        if lab[k] == 0:
            imgs[k, 0, pos, :] += 1.0
        else:
            imgs[k, 0, :, pos] += 1.0
    return imgs, lab


def im2col(x, k):
    n, c, h, w = x.shape
    oh, ow = h - k + 1, w - k + 1
    cols = np.zeros((n, oh, ow, c * k * k))
    for i in range(oh):
        for j in range(ow):
            cols[:, i, j, :] = x[:, :, i:i + k, j:j + k].reshape(n, -1)
    return cols


x_train, t_train = make(400)
x_test, t_test = make(200)

params = {
    'W1': rng.standard_normal((9, 8)) * 0.2,
    'b1': np.zeros(8),
    'W2': rng.standard_normal((8 * 4 * 4, 2)) * 0.1,
    'b2': np.zeros(2),
}


def softmax(a):
    a = a - a.max(axis=-1, keepdims=True)
    return np.exp(a) / np.exp(a).sum(axis=-1, keepdims=True)


def predict(x):
    col = im2col(x, 3)
    pre = col @ params['W1'] + params['b1']
    act = np.maximum(pre, 0)
    flat = act.reshape(len(x), -1)
    return col, pre, flat, softmax(flat @ params['W2'] + params['b2'])


def gradient(x, t):
    col, pre, flat, y = predict(x)
    batch = len(x)
    onehot = np.eye(2)[t]
    dy = (y - onehot) / batch
    grads = {}
    grads['W2'] = flat.T @ dy
    grads['b2'] = dy.sum(axis=0)
    dflat = dy @ params['W2'].T
    dact = dflat.reshape(pre.shape)
    dpre = dact * (pre > 0)
    grads['W1'] = col.reshape(-1, 9).T @ dpre.reshape(-1, 8)
    grads['b1'] = dpre.sum(axis=(0, 1, 2))
    loss = -np.log(y[np.arange(batch), t] + 1e-7).mean()
    return loss, grads


lr = 0.2
for epoch in range(15):
    idx = rng.permutation(400)
    for s in range(0, 400, 40):
        mask = idx[s:s + 40]
        loss, grads = gradient(x_train[mask], t_train[mask])
        for key in ('W1', 'b1', 'W2', 'b2'):
            params[key] -= lr * grads[key]
    if epoch % 3 == 0:
        print(epoch, loss)
acc = (predict(x_test)[-1].argmax(axis=1) == t_test).mean()
print('test acc', acc)
