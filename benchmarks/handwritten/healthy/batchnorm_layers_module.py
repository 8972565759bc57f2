import numpy as np
from sklearn.datasets import load_wine


def affine_forward(x, w, b):
    out = x.reshape(x.shape[0], -1).dot(w) + b
    return out, (x, w, b)


def affine_backward(dout, cache):
    x, w, b = cache
    dx = dout.dot(w.T).reshape(x.shape)
    dw = x.reshape(x.shape[0], -1).T.dot(dout)
    db = dout.sum(axis=0)
    return dx, dw, db


def relu_forward(x):
    return np.maximum(0, x), x


def relu_backward(dout, cache):
    return dout * (cache > 0)


def batchnorm_forward(x, gamma, beta, bn_param):
    eps, momentum = bn_param.get('eps', 1e-5), bn_param.get('momentum', 0.9)
    mode = bn_param['mode']
    running_mean = bn_param.get('running_mean', np.zeros(x.shape[1]))
    running_var = bn_param.get('running_var', np.zeros(x.shape[1]))
    cache = None
    if mode == 'train':
        mu = x.mean(axis=0)
        var = x.var(axis=0)
        std = np.sqrt(var + eps)
        xhat = (x - mu) / std
        out = gamma * xhat + beta
        running_mean = momentum * running_mean + (1 - momentum) * mu
        running_var = momentum * running_var + (1 - momentum) * var
        cache = (xhat, gamma, std)
    else:
        out = gamma * (x - running_mean) / np.sqrt(running_var + eps) + beta
    bn_param['running_mean'] = running_mean
    bn_param['running_var'] = running_var
    return out, cache


def batchnorm_backward(dout, cache):
    xhat, gamma, std = cache
    N = dout.shape[0]
    dgamma = np.sum(dout * xhat, axis=0)
    dbeta = np.sum(dout, axis=0)
    dxhat = dout * gamma
    dx = (dxhat - dxhat.mean(axis=0) - xhat * np.mean(dxhat * xhat, axis=0)) / std
    return dx, dgamma, dbeta


def softmax_loss(x, y):
    probs = np.exp(x - np.max(x, axis=1, keepdims=True))
    probs /= np.sum(probs, axis=1, keepdims=True)
    N = x.shape[0]
    loss = -np.sum(np.log(probs[np.arange(N), y])) / N
    dx = probs.copy()
    dx[np.arange(N), y] -= 1
    dx /= N
    return loss, dx


def sgd_momentum(w, dw, config):
    v = config.get('velocity', np.zeros_like(w))
    v = config['momentum'] * v - config['learning_rate'] * dw
    config['velocity'] = v
    return w + v, config


class Net:
    def __init__(self, d, h, c):
        self.params = {'W1': np.random.randn(d, h) * 0.1, 'b1': np.zeros(h), 'gamma1': np.ones(h), 'beta1': np.zeros(h),
                       'W2': np.random.randn(h, c) * 0.1, 'b2': np.zeros(c)}
        self.bn = {'mode': 'train'}

    def loss(self, X, y=None):
        p = self.params
        self.bn['mode'] = 'test' if y is None else 'train'
        a, c1 = affine_forward(X, p['W1'], p['b1'])
        n, c2 = batchnorm_forward(a, p['gamma1'], p['beta1'], self.bn)
        r, c3 = relu_forward(n)
        s, c4 = affine_forward(r, p['W2'], p['b2'])
        if y is None:
            return s
        loss, ds = softmax_loss(s, y)
        g = {}
        dr, g['W2'], g['b2'] = affine_backward(ds, c4)
        dn = relu_backward(dr, c3)
        da, g['gamma1'], g['beta1'] = batchnorm_backward(dn, c2)
        _, g['W1'], g['b1'] = affine_backward(da, c1)
        return loss, g


class Solver:
    def __init__(self, model, data, **kw):
        self.model, self.X, self.y = model, data['X'], data['y']
        self.batch_size = kw.pop('batch_size', 32)
        self.num_epochs = kw.pop('num_epochs', 10)
        self.optim_config = kw.pop('optim_config', {})
        self.configs = {p: dict(self.optim_config) for p in model.params}
        self.loss_history = []

    def _step(self):
        mask = np.random.choice(len(self.X), self.batch_size)
        loss, grads = self.model.loss(self.X[mask], self.y[mask])
        self.loss_history.append(loss)
        for p, w in self.model.params.items():
            next_w, self.configs[p] = sgd_momentum(w, grads[p], self.configs[p])
            self.model.params[p] = next_w

    def train(self):
        per = max(len(self.X) // self.batch_size, 1)
        for t in range(self.num_epochs * per):
            self._step()
            if t % 50 == 0:
                print('(Iteration %d / %d) loss: %f' % (t + 1, self.num_epochs * per, self.loss_history[-1]))


np.random.seed(231)
wine = load_wine()
X = (wine.data - wine.data.mean(0)) / wine.data.std(0)
solver = Solver(Net(13, 20, 3), {'X': X, 'y': wine.target}, batch_size=40, num_epochs=100,
                optim_config={'learning_rate': 0.02, 'momentum': 0.9})
solver.train()
print('train acc', (solver.model.loss(X).argmax(1) == wine.target).mean())
