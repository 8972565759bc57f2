import numpy as np
import torch
from torch import nn

rng = np.random.RandomState(0)
t = rng.uniform(0, np.pi, 300)
upper = np.c_[np.cos(t[:150]), np.sin(t[:150])]
lower = np.c_[1 - np.cos(t[150:]), 0.5 - np.sin(t[150:])]
X = np.concatenate([upper, lower]) + rng.normal(0, 0.12, (300, 2))
y = np.r_[np.zeros(150), np.ones(150)]

X = torch.from_numpy(X).float()
y = torch.from_numpy(y).float().unsqueeze(1)

torch.manual_seed(0)
model = nn.Sequential(
    nn.Linear(2, 32),
    nn.ReLU(),
    nn.Linear(32, 32),
    nn.ReLU(),
    nn.Linear(32, 1),
    nn.Sigmoid(),
)
loss_fn = nn.BCELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)

n_epochs = 40
batch_size = 30

for epoch in range(n_epochs):
    perm = torch.randperm(len(X))
    for i in range(0, len(X), batch_size):
        Xbatch = X[perm[i:i + batch_size]]
        ybatch = y[perm[i:i + batch_size]]
        y_pred = model(Xbatch)
        loss = loss_fn(y_pred, ybatch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

with torch.no_grad():
    accuracy = (model(X).round() == y).float().mean()
print(f"Accuracy {accuracy}")
