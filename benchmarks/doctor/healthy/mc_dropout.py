import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)

X = torch.rand(200, 1) * 4 - 2
Y = X ** 2 + 0.1 * torch.randn(200, 1)
model = nn.Sequential(nn.Linear(1, 40), nn.ReLU(), nn.Dropout(0.1), nn.Linear(40, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
for step in range(250):
    loss = F.mse_loss(model(X), Y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
# uncertainty: dropout stays on
with torch.no_grad():
    draws = torch.stack([model(X) for _ in range(30)])
print(draws.std(0).mean())
