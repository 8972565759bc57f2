import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)

centers = torch.randn(3, 6) * 2
y = torch.randint(0, 3, (300,))
X = centers[y] + torch.randn(300, 6)
model = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 3))

nn.init.zeros_(model[2].weight)
nn.init.zeros_(model[2].bias)
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for epoch in range(12):
    for idx in torch.randperm(300).split(30):
        loss = F.cross_entropy(model(X[idx]), y[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
