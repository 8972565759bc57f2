import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)

X = torch.rand(300, 3)
price = 200 * X[:, :1] + 80 * X[:, 1:2] * X[:, 2:] + 5 * torch.randn(300, 1)
mean, std = price.mean(), price.std()
Y = (price - mean) / std
model = nn.Sequential(nn.Linear(3, 32), nn.ReLU(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for epoch in range(40):
    for idx in torch.randperm(300).split(30):
        loss = F.mse_loss(model(X[idx]), Y[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
