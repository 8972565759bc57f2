import numpy as np

rng = np.random.RandomState(7)
m = 97
size = rng.uniform(800, 4000, m)
rooms = rng.randint(1, 6, m)
price = 50000 + 130 * size + 9000 * rooms + rng.randn(m) * 15000
X = np.column_stack([size, rooms])
y = price.reshape(-1, 1) / 1000.0


def feature_normalize(X):
    mu = np.mean(X, axis=0)
    sigma = np.std(X, axis=0)
    return (X - mu) / sigma, mu, sigma


def compute_cost(X, y, theta):
    m = y.shape[0]
    predictions = X.dot(theta)
    sq_errors = np.power(predictions - y, 2)
    return 1.0 / (2 * m) * np.sum(sq_errors)


def gradient_descent(X, y, theta, alpha, num_iters):
    m = y.shape[0]
    J_history = np.zeros((num_iters, 1))
    for i in range(num_iters):
        errors = X.dot(theta) - y
        new_theta = np.zeros(theta.shape)
        for j in range(theta.shape[0]):
            errors_x = errors * X[:, j:j + 1]
            new_theta[j][0] = theta[j][0] - alpha * (1.0 / m) * errors_x.sum()
        theta = new_theta
        J_history[i, 0] = compute_cost(X, y, theta)
    return theta, J_history


X, mu, sigma = feature_normalize(X)
X = np.concatenate([np.ones((m, 1)), X], axis=1)
theta = np.zeros((3, 1))
theta, J_history = gradient_descent(X, y, theta, 0.05, 400)
print('theta:', theta.ravel())
print('cost first/last:', J_history[0, 0], J_history[-1, 0])
