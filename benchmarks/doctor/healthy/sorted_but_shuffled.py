import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)

from torch.utils.data import DataLoader, TensorDataset

X = torch.cat([torch.randn(80, 5) + c for c in range(4)])
y = torch.arange(4).repeat_interleave(80)
loader = DataLoader(TensorDataset(X, y), batch_size=32, shuffle=True, drop_last=True)
model = nn.Sequential(nn.Linear(5, 32), nn.ReLU(), nn.Linear(32, 4))
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for epoch in range(25):
    for xb, yb in loader:
        optimizer.zero_grad()
        F.cross_entropy(model(xb), yb).backward()
        optimizer.step()
