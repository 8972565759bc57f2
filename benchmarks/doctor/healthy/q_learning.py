import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)

q = nn.Sequential(nn.Linear(3, 24), nn.ReLU(), nn.Linear(24, 2))
target = nn.Sequential(nn.Linear(3, 24), nn.ReLU(), nn.Linear(24, 2))
target.load_state_dict(q.state_dict())
optimizer = torch.optim.Adam(q.parameters(), lr=2e-3)
for step in range(250):
    s = torch.randn(32, 3)
    a = torch.randint(0, 2, (32, 1))
    r = (a.squeeze(1) == (s[:, 0] > 0).long()).float()
    s2 = torch.randn(32, 3)
    with torch.no_grad():
        goal = r + 0.9 * target(s2).max(1).values
    value = q(s).gather(1, a).squeeze(1)
    loss = F.smooth_l1_loss(value, goal)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 50 == 0:
        target.load_state_dict(q.state_dict())
