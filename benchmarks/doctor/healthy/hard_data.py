import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)

# little to learn: the labels follow one weak feature
X = torch.randn(500, 10)
y = (torch.rand(500) < torch.sigmoid(1.2 * X[:, 0])).long()
model = nn.Sequential(nn.Linear(10, 8), nn.ReLU(), nn.Linear(8, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3, weight_decay=1e-3)
for epoch in range(15):
    for idx in torch.randperm(500).split(50):
        loss = F.cross_entropy(model(X[idx]), y[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
