import pellucid as pl
from pellucid import nn, optim
from pellucid.nn import functional as F

pl.manual_seed(0)
X = pl.randn(300, 4)
y = (X[:, 0] * X[:, 1] > 0).long()
net = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 2))
optimizer = optim.Adam(net.parameters(), lr=0.01)
for epoch in range(30):
    for idx in pl.randperm(300).split(30):
        loss = F.cross_entropy(net(X[idx]), y[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
