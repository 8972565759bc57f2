import numpy as np

rng = np.random.RandomState(0)

n_normal, n_fraud = 980, 20
normal = rng.normal(0.0, 1.0, (n_normal, 4))
fraud = rng.normal(1.3, 1.0, (n_fraud, 4))
X = np.vstack([normal, fraud])
y = np.concatenate([np.zeros(n_normal), np.ones(n_fraud)])
shuffle = rng.permutation(len(X))
X, y = X[shuffle], y[shuffle]


class LogisticRegression:
    def __init__(self, lr=0.1, n_iter=800):
        self.lr = lr
        self.n_iter = n_iter

    def _sigmoid(self, z):
        return 1 / (1 + np.exp(-z))

    def fit(self, X, y):
        self.w = np.zeros(X.shape[1])
        self.b = 0.0
        sample_weight = np.where(y == 1, (y == 0).sum() / (y == 1).sum(), 1.0)
        for it in range(self.n_iter):
            p = self._sigmoid(X @ self.w + self.b)
            err = sample_weight * (p - y) / sample_weight.sum()
            self.w -= self.lr * X.T @ err
            self.b -= self.lr * err.sum()
            if it % 200 == 0:
                loss = -(sample_weight * (y * np.log(p + 1e-9) + (1 - y) * np.log(1 - p + 1e-9))).sum()
                print(it, loss / sample_weight.sum(), "accuracy", ((p > 0.5) == y).mean())
        return self

    def predict(self, X):
        return (self._sigmoid(X @ self.w + self.b) > 0.5).astype(int)


model = LogisticRegression().fit(X, y)
pred = model.predict(X)
recall = pred[y == 1].mean()
specificity = 1 - pred[y == 0].mean()
print("balanced accuracy", (recall + specificity) / 2)
