import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)

y = torch.randint(0, 3, (300,))
X = torch.randn(3, 6)[y] * 2 + torch.randn(300, 6)
backbone = nn.Sequential(nn.Linear(6, 64), nn.ReLU())
head = nn.Linear(64, 3)
for p in backbone.parameters():
    p.requires_grad_(False)
model = nn.Sequential(backbone, head)
optimizer = torch.optim.Adam(head.parameters(), lr=0.01)
for epoch in range(15):
    for idx in torch.randperm(300).split(30):
        loss = F.cross_entropy(model(X[idx]), y[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
