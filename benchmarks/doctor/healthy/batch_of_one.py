import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)

centers = torch.randn(3, 6) * 2
y = torch.randint(0, 3, (300,))
X = centers[y] + torch.randn(300, 6)
model = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 3))

optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
for epoch in range(3):
    for i in torch.randperm(300):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(X[i:i + 1]), y[i:i + 1])
        loss.backward()
        optimizer.step()
