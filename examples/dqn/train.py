"""Deep Q-learning with a replay buffer and a target network finds its way through a grid (Mnih et al., 2015)."""

import argparse
import copy
import random
from collections import deque

import torch
import torch.nn as nn
import torch.nn.functional as F

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=300)
parser.add_argument("--every", type=int, default=20, help="print the loss after so many steps")
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()

torch.manual_seed(args.seed)

SIZE = 5


def observation(place):
    return F.one_hot(torch.tensor(place[0] * SIZE + place[1]), SIZE * SIZE).float()


def move(place, action):
    """Up, down, left or right; 1 for the corner at the other end, and a little less for each step."""
    down, right = ((-1, 0), (1, 0), (0, -1), (0, 1))[action]
    place = (min(max(place[0] + down, 0), SIZE - 1), min(max(place[1] + right, 0), SIZE - 1))
    done = place == (SIZE - 1, SIZE - 1)
    return place, 1.0 if done else -0.02, done


random.seed(args.seed)
q = nn.Sequential(nn.Linear(SIZE * SIZE, 64), nn.ReLU(), nn.Linear(64, 4))
target = copy.deepcopy(q)
optimizer = torch.optim.Adam(q.parameters(), lr=2e-3)
memory = deque(maxlen=500)
place, lengths, length = (0, 0), [], 0
for step in range(args.steps):
    for _ in range(8):
        epsilon = max(0.1, 1 - step / 200)
        with torch.no_grad():
            greedy = q(observation(place)).argmax().item()
        action = random.randrange(4) if random.random() < epsilon else greedy
        after, reward, done = move(place, action)
        memory.append((observation(place), action, reward, observation(after), float(done)))
        place, length = (0, 0) if done else after, length + 1
        if done:
            lengths.append(length)
            length = 0
    sample = random.choices(memory, k=32)
    states, actions, rewards, following, ends = zip(*sample)
    states, following = torch.stack(states), torch.stack(following)
    actions, rewards, ends = torch.tensor(actions), torch.tensor(rewards), torch.tensor(ends)
    values = q(states).gather(1, actions.unsqueeze(1)).squeeze(1)
    with torch.no_grad():
        expected = rewards + 0.95 * (1 - ends) * target(following).max(1).values
    loss = F.smooth_l1_loss(values, expected)
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_value_(q.parameters(), 1.0)
    optimizer.step()
    if step % 20 == 0:
        target.load_state_dict(q.state_dict())
    if step % args.every == 0:
        print(f"step {step} loss {loss.item():.7f}")
print(f"the last ways took {lengths[-5:]} steps")
