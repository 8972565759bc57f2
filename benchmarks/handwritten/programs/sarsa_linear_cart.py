# SARSA on a little hill, action values linear in tile features
import math
import random

random.seed(0)
ACTIONS = (-1, 0, 1)
TILES = 8
weights = [0.0] * (TILES * TILES * 3)
alpha, gamma, eps = 0.2, 1.0, 0.05


def index(pos, vel, action):
    i = min(TILES - 1, int((pos + 1.2) / 1.8 * TILES))
    j = min(TILES - 1, int((vel + 0.07) / 0.14 * TILES))
    return (i * TILES + j) * 3 + action + 1


def q(pos, vel, action):
    return weights[index(pos, vel, action)]


def choose(pos, vel):
    if random.random() < eps:
        return random.choice(ACTIONS)
    return max(ACTIONS, key=lambda a: q(pos, vel, a))


def move(pos, vel, action):
    vel = min(0.07, max(-0.07, vel + 0.002 * action - 0.0025 * math.cos(3 * pos)))
    pos += vel
    if pos < -1.2:
        pos, vel = -1.2, 0.0
    return pos, vel


lengths = []
for episode in range(250):
    pos, vel = random.uniform(-0.6, -0.4), 0.0
    action = choose(pos, vel)
    steps = 0
    while steps < 1000:
        new_pos, new_vel = move(pos, vel, action)
        steps += 1
        if new_pos >= 0.5:
            target = -1.0
            weights[index(pos, vel, action)] += alpha * (target - q(pos, vel, action))
            break
        new_action = choose(new_pos, new_vel)
        target = -1.0 + gamma * q(new_pos, new_vel, new_action)
        weights[index(pos, vel, action)] += alpha * (target - q(pos, vel, action))
        pos, vel, action = new_pos, new_vel, new_action
    lengths.append(steps)
print("first 20 episodes:", sum(lengths[:20]) / 20, "last 20:", sum(lengths[-20:]) / 20)
