import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)

n = 60
y = torch.arange(n) % 2
adj = (torch.rand(n, n) < torch.where(y[:, None] == y[None], 0.3, 0.05)).float()
adj = ((adj + adj.t() + torch.eye(n)) > 0).float()
adj = adj / adj.sum(1, keepdim=True)
features = torch.randn(n, 8) + y[:, None]

class GCN(nn.Module):
    def __init__(self):
        super().__init__()
        self.w1 = nn.Linear(8, 16)
        self.w2 = nn.Linear(16, 2)

    def forward(self, h):
        return self.w2(adj @ torch.relu(self.w1(adj @ h)))

model = GCN()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for step in range(120):
    loss = F.cross_entropy(model(features)[:40], y[:40])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
