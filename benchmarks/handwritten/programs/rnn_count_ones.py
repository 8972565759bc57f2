import numpy as np

np.random.seed(0)


class RNN:
    """reads a row of bits, says how many ones there were (regression)"""

    def __init__(self, hidden):
        self.U = np.random.uniform(-0.5, 0.5, (1, hidden))
        self.W = np.random.uniform(-0.3, 0.3, (hidden, hidden))
        self.V = np.random.uniform(-0.5, 0.5, (hidden, 1))
        self.b = np.zeros((1, hidden))
        self.c = np.zeros((1, 1))

    def forward(self, x):
        batch, T = x.shape
        self.x = x
        self.s = [np.zeros((batch, self.W.shape[0]))]
        for t in range(T):
            xt = x[:, t:t + 1]
            self.s.append(np.tanh(xt @ self.U + self.s[-1] @ self.W + self.b))
        return self.s[-1] @ self.V + self.c

    def bptt(self, dout):
        dU, dW, db = np.zeros_like(self.U), np.zeros_like(self.W), np.zeros_like(self.b)
        dV = self.s[-1].T @ dout
        dc = dout.sum(axis=0, keepdims=True)
        ds = dout @ self.V.T
        for t in range(self.x.shape[1] - 1, -1, -1):
            dz = ds * (1 - self.s[t + 1] ** 2)
            dU += self.x[:, t:t + 1].T @ dz
            dW += self.s[t].T @ dz
            db += dz.sum(axis=0, keepdims=True)
            ds = dz @ self.W.T
        return dU, dW, dV, db, dc


X = np.random.randint(0, 2, (500, 8)).astype(float)
Y = X.sum(axis=1, keepdims=True) / 8

net = RNN(12)
lr = 0.1
for epoch in range(30):
    perm = np.random.permutation(500)
    epoch_loss = 0
    for k in range(0, 500, 25):
        xb, yb = X[perm[k:k + 25]], Y[perm[k:k + 25]]
        out = net.forward(xb)
        diff = out - yb
        epoch_loss += np.mean(diff ** 2)
        grads = net.bptt(2 * diff / len(xb))
        for name, g in zip(["U", "W", "V", "b", "c"], grads):
            norm = np.linalg.norm(g)
            if norm > 1.0:
                g = g / norm
            setattr(net, name, getattr(net, name) - lr * g)
    if epoch % 5 == 0:
        print("epoch", epoch, "mse", epoch_loss / 20)
print("rms error in ones:", 8 * np.sqrt(np.mean((net.forward(X) - Y) ** 2)))
