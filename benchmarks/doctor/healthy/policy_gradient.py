import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)

policy = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))
optimizer = torch.optim.Adam(policy.parameters(), lr=0.01)
for episode in range(150):
    state = torch.randn(32, 2)
    dist = torch.distributions.Categorical(logits=policy(state))
    action = dist.sample()
    reward = (action == (state[:, 0] > 0).long()).float()
    loss = -(dist.log_prob(action) * (reward - reward.mean())).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
