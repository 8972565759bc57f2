import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)

y = torch.randint(0, 2, (300,))
X = torch.randint(0, 180, (300, 12)).float() + 60 * y[:, None]
model = nn.Sequential(nn.BatchNorm1d(12), nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(20):
    model.train()
    for idx in torch.randperm(300).split(30):
        loss = F.cross_entropy(model(X[idx]), y[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
