import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)

y = (torch.rand(400) < 0.1).long()
X = torch.randn(400, 5) + 1.5 * y[:, None]
model = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 2))
criterion = nn.CrossEntropyLoss(weight=torch.tensor([0.55, 5.0]))
optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
for epoch in range(20):
    for idx in torch.randperm(400).split(40):
        loss = criterion(model(X[idx]), y[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
