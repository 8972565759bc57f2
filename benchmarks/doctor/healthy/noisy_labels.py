import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)

centers = torch.randn(3, 6) * 2
y = torch.randint(0, 3, (300,))
X = centers[y] + torch.randn(300, 6)
model = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 3))

flip = torch.rand(300) < 0.3
y = torch.where(flip, torch.randint(0, 3, (300,)), y)
optimizer = torch.optim.Adam(model.parameters(), lr=0.003, weight_decay=1e-3)
for epoch in range(20):
    for idx in torch.randperm(300).split(30):
        loss = F.cross_entropy(model(X[idx]), y[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
