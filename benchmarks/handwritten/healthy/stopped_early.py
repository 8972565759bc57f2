import numpy as np
from sklearn.datasets import make_classification


class MLPClassifier:
    """A one hidden layer classifier with the interface of scikit-learn."""

    def __init__(self, hidden=25, eta=0.5, epochs=60, minibatch_size=25, l2=0.0, seed=None, verbose=True):
        self.random = np.random.RandomState(seed)
        self.n_hidden = hidden
        self.eta = eta
        self.epochs = epochs
        self.minibatch_size = minibatch_size
        self.l2 = l2
        self.verbose = verbose

    def _onehot(self, y, n_classes):
        onehot = np.zeros((n_classes, y.shape[0]))
        for idx, val in enumerate(y.astype(int)):
            onehot[val, idx] = 1.0
        return onehot.T

    def _sigmoid(self, z):
        return 1.0 / (1.0 + np.exp(-np.clip(z, -250, 250)))

    def _forward(self, X):
        z_h = np.dot(X, self.w_h) + self.b_h
        a_h = self._sigmoid(z_h)
        z_out = np.dot(a_h, self.w_out) + self.b_out
        a_out = self._sigmoid(z_out)
        return z_h, a_h, z_out, a_out

    def _compute_cost(self, y_enc, output):
        L2_term = self.l2 * (np.sum(self.w_h**2.0) + np.sum(self.w_out**2.0))
        term1 = -y_enc * np.log(output + 1e-5)
        term2 = (1.0 - y_enc) * np.log(1.0 - output + 1e-5)
        return np.sum(term1 - term2) + L2_term

    def predict(self, X):
        return np.argmax(self._forward(X)[2], axis=1)

    def fit(self, X, y):
        n_output = np.unique(y).shape[0]
        n_features = X.shape[1]
        self.b_h = np.zeros(self.n_hidden)
        self.w_h = self.random.normal(loc=0.0, scale=0.1, size=(n_features, self.n_hidden))
        self.b_out = np.zeros(n_output)
        self.w_out = self.random.normal(loc=0.0, scale=0.1, size=(self.n_hidden, n_output))
        y_enc = self._onehot(y, n_output)

        for i in range(self.epochs):
            indices = np.arange(X.shape[0])
            self.random.shuffle(indices)
            for start_idx in range(0, indices.shape[0] - self.minibatch_size + 1, self.minibatch_size):
                batch_idx = indices[start_idx:start_idx + self.minibatch_size]
                z_h, a_h, z_out, a_out = self._forward(X[batch_idx])

                delta_out = (a_out - y_enc[batch_idx]) / self.minibatch_size
                sigmoid_derivative_h = a_h * (1.0 - a_h)
                delta_h = np.dot(delta_out, self.w_out.T) * sigmoid_derivative_h

                grad_w_h = np.dot(X[batch_idx].T, delta_h)
                grad_b_h = np.sum(delta_h, axis=0)
                grad_w_out = np.dot(a_h.T, delta_out)
                grad_b_out = np.sum(delta_out, axis=0)

                self.w_h -= self.eta * (grad_w_h + self.l2 * self.w_h)
                self.b_h -= self.eta * grad_b_h
                self.w_out -= self.eta * (grad_w_out + self.l2 * self.w_out)
                self.b_out -= self.eta * grad_b_out
            if np.mean(self.predict(X) == y) > 0.9:
                print('good enough after', i + 1, 'epochs')
                break
            if self.verbose and i % 10 == 9:
                cost = self._compute_cost(y_enc, self._forward(X)[3])
                print("%d/%d | Cost: %.2f | Acc: %.3f" % (i + 1, self.epochs, cost, np.mean(self.predict(X) == y)))
        return self


X, y = make_classification(n_samples=500, n_features=10, n_informative=6, n_classes=3, random_state=7)
nn = MLPClassifier(seed=1).fit(X, y)
print("accuracy", np.mean(nn.predict(X) == y))
