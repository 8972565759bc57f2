import numpy as np

# Q-learning with a small net on a corridor: start left, reward at the right end
np.random.seed(0)
n_states, n_actions = 6, 2
gamma = 0.9
lr = 0.05
epsilon = 0.3

W1 = np.random.randn(n_states, 16) * 0.3
b1 = np.zeros(16)
W2 = np.random.randn(16, n_actions) * 0.3
b2 = np.zeros(n_actions)


def one_hot(s):
    v = np.zeros((1, n_states))
    v[0, s] = 1
    return v


def q_values(s):
    z = one_hot(s) @ W1 + b1
    h = np.maximum(z, 0)
    return z, h, h @ W2 + b2


def env_step(s, a):
    s2 = min(s + 1, n_states - 1) if a == 1 else max(s - 1, 0)
    done = s2 == n_states - 1
    return s2, (1.0 if done else 0.0), done


steps_log = []
old = None
for episode in range(200):
    s, done, steps = 0, False, 0
    while not done and steps < 60:
        if steps % 10 == 0:
            old = W1.copy(), b1.copy(), W2.copy(), b2.copy()  # target network
        z, h, q = q_values(s)
        a = np.random.randint(2) if np.random.rand() < epsilon else int(np.argmax(q))
        s2, r, done = env_step(s, a)
        target = r if done else r + gamma * np.max(np.maximum(one_hot(s2) @ old[0] + old[1], 0) @ old[2] + old[3])
        td = q[0, a] - target
        dq = np.zeros((1, n_actions))
        dq[0, a] = td
        dW2 = h.T @ dq
        dh = dq @ W2.T
        dh[z <= 0] = 0
        dW1 = one_hot(s).T @ dh
        W2 -= lr * dW2
        b2 -= lr * dq[0]
        W1 -= lr * dW1
        b1 -= lr * dh[0]
        s = s2
        steps += 1
    steps_log.append(steps)

print("steps first 20:", np.mean(steps_log[:20]), "last 20:", np.mean(steps_log[-20:]))
print("policy:", [int(np.argmax(q_values(s)[2])) for s in range(n_states - 1)])
