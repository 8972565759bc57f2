import numpy as np
import torch
from torch import nn, optim

np.random.seed(3)
torch.manual_seed(3)

# images of gaussian bumps, 8x8 pixels in [0, 1]
grid = np.stack(np.meshgrid(np.arange(8), np.arange(8)), -1).reshape(64, 2)
pos = np.random.uniform(1, 7, (500, 2))
data = np.exp(-((grid[None] - pos[:, None]) ** 2).sum(-1) / 4.0)
data = torch.tensor(data, dtype=torch.float32)

encoder = nn.Sequential(nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 8), nn.ReLU())
decoder = nn.Sequential(nn.Linear(8, 48), nn.ReLU(), nn.Linear(48, 64), nn.Sigmoid())
autoencoder = nn.Sequential(encoder, decoder)

distance = nn.MSELoss()
optimizer = optim.Adam(autoencoder.parameters(), lr=0.005)

for epoch in range(25):
    perm = torch.randperm(500)
    for i in range(10):
        batch = data[perm[i * 50:(i + 1) * 50]]
        recon = autoencoder(batch)
        loss = distance(recon, batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 5 == 0:
        print('epoch [{}/25], loss:{:.4f}'.format(epoch + 1, loss.item()))
