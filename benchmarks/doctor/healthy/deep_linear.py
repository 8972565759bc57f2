import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)

# low-rank regression: linear layers on purpose
X = torch.randn(300, 10)
Y = X @ torch.randn(10, 2) @ torch.randn(2, 10)
model = nn.Sequential(nn.Linear(10, 2, bias=False), nn.Linear(2, 10, bias=False))
optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
for step in range(300):
    idx = torch.randint(0, 300, (50,))
    loss = F.mse_loss(model(X[idx]), Y[idx])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
