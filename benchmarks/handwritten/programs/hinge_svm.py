import numpy as np
from sklearn.datasets import load_breast_cancer

# linear SVM, hinge loss, one sample at a time
X, y = load_breast_cancer(return_X_y=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)
y = np.where(y == 0, -1, 1)


class SVM:
    def __init__(self, learning_rate=0.001, lambda_param=0.01, n_iters=15):
        self.lr = learning_rate
        self.lambda_param = lambda_param
        self.n_iters = n_iters

    def fit(self, X, y):
        self.w = np.zeros(X.shape[1])
        self.b = 0.0
        for _ in range(self.n_iters):
            for idx in np.random.permutation(len(X)):
                x_i = X[idx]
                margin = y[idx] * (np.dot(x_i, self.w) + self.b)
                if margin >= 1:
                    self.w -= self.lr * (2 * self.lambda_param * self.w)
                else:
                    self.w -= self.lr * (2 * self.lambda_param * self.w - y[idx] * x_i)
                    self.b -= self.lr * -y[idx]

    def hinge(self, X, y):
        return np.mean(np.maximum(0, 1 - y * (X @ self.w + self.b))) + self.lambda_param * self.w @ self.w

    def predict(self, X):
        return np.sign(X @ self.w + self.b)


np.random.seed(0)
clf = SVM()
clf.fit(X[:400], y[:400])
print("hinge loss", clf.hinge(X[:400], y[:400]))
print("test accuracy", np.mean(clf.predict(X[400:]) == y[400:]))
