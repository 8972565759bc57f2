# movie ratings: R ~ P Q^T with biases, stochastic gradient descent one rating at a time
import numpy as np

rng = np.random.default_rng(8)
n_users, n_items, k = 40, 30, 4
true_p = rng.normal(size=(n_users, k))
true_q = rng.normal(size=(n_items, k))
ratings = []
for u in range(n_users):
    for i in range(n_items):
        if rng.random() < 0.5:
            ratings.append((u, i, 3.5 + 0.5 * true_p[u] @ true_q[i] + 0.1 * rng.normal()))
rng.shuffle(ratings)
train = ratings[:500]
test = ratings[500:]

P = 0.1 * rng.normal(size=(n_users, k))
Q = 0.1 * rng.normal(size=(n_items, k))
bu = np.zeros(n_users)
bi = np.zeros(n_items)
mu = np.mean([r for _, _, r in train])
lr, reg = 0.03, 0.02


def rmse(data):
    return np.sqrt(np.mean([(r - (mu + bu[int(u)] + bi[int(i)] + P[int(u)] @ Q[int(i)])) ** 2 for u, i, r in data]))


for epoch in range(40):
    rng.shuffle(train)
    for u, i, r in train:
        u, i = int(u), int(i)
        e = r - (mu + bu[u] + bi[i] + P[u] @ Q[i])
        bu[u] += lr * (e - reg * bu[u])
        bi[i] += lr * (e - reg * bi[i])
        pu = P[u].copy()
        P[u] += lr * (e * Q[i] - reg * P[u])
        Q[i] += lr * (e * pu - reg * Q[i])
    if epoch % 10 == 9:
        print("epoch", epoch + 1, "train", rmse(train), "test", rmse(test))
