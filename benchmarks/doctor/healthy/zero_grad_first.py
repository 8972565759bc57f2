import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)

centers = torch.randn(3, 6) * 2
y = torch.randint(0, 3, (300,))
X = centers[y] + torch.randn(300, 6)
model = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 3))

optimizer = torch.optim.RMSprop(model.parameters(), lr=0.002)
for epoch in range(12):
    for idx in torch.randperm(300).split(30):
        out = model(X[idx])
        loss = F.cross_entropy(out, y[idx])
        model.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
