import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)

centers = torch.randn(3, 6) * 2
y = torch.randint(0, 3, (300,))
X = centers[y] + torch.randn(300, 6)
model = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 3))

optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for step in range(200):
    idx, other = torch.randint(0, 300, (2, 32))
    lam = float(torch.distributions.Beta(0.4, 0.4).sample())
    x = lam * X[idx] + (1 - lam) * X[other]
    out = model(x)
    loss = lam * F.cross_entropy(out, y[idx], label_smoothing=0.1) + (1 - lam) * F.cross_entropy(out, y[other], label_smoothing=0.1)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
