import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)

X = torch.randn(120, 3)
y = torch.sin(X).sum(1, keepdim=True)
model = nn.Sequential(nn.Linear(3, 12), nn.Tanh(), nn.Linear(12, 1))
optimizer = torch.optim.LBFGS(model.parameters(), lr=0.5, max_iter=10)

def closure():
    optimizer.zero_grad()
    loss = F.mse_loss(model(X), y)
    loss.backward()
    return loss

for i in range(15):
    optimizer.step(closure)
