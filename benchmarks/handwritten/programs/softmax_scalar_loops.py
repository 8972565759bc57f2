# softmax regression with for loops everywhere (no vectorisation yet!)
import numpy as np
from sklearn.datasets import load_wine

wine = load_wine()
X = (wine.data - wine.data.mean(axis=0)) / wine.data.std(axis=0)
y = wine.target
num_classes, dim = 3, X.shape[1]
np.random.seed(2)
W = np.random.randn(dim, num_classes) * 0.001
reg = 0.001


def softmax_loss_naive(W, X, y, reg):
    loss = 0.0
    dW = np.zeros(W.shape)
    num_train = X.shape[0]
    for i in range(num_train):
        f = X[i].dot(W)
        f -= np.max(f)
        p = np.exp(f) / np.sum(np.exp(f))
        loss += -np.log(p[y[i]])
        for k in range(num_classes):
            dW[:, k] += (p[k] - (k == y[i])) * X[i]
    loss /= num_train
    dW /= num_train
    loss += 0.5 * reg * np.sum(W * W)
    dW += reg * W
    return loss, dW


for it in range(100):
    batch = np.random.choice(len(X), 60, replace=False)
    loss, grad = softmax_loss_naive(W, X[batch], y[batch], reg)
    W -= 0.3 * grad
    if it % 20 == 0:
        print("it", it, "loss", loss)
print("accuracy", np.mean(np.argmax(X.dot(W), axis=1) == y))
