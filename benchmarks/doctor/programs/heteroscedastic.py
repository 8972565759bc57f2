import numpy as np
import torch
import torch.nn as nn

rng = np.random.default_rng(4)
torch.manual_seed(4)

inputs = rng.uniform(-2, 2, (480, 1)).astype("float32")
noise = rng.normal(0, 1, (480, 1)) * (0.05 + 0.15 * (inputs > 0))
outputs = (np.cos(2 * inputs) + noise).astype("float32")
x, y = torch.from_numpy(inputs), torch.from_numpy(outputs)
x_fit, y_fit, x_new, y_new = x[:400], y[:400], x[400:], y[400:]


class MeanAndSpread(nn.Module):
    """a gaussian for each input"""

    def __init__(self, width=32):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(1, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh())
        self.mean = nn.Linear(width, 1)
        self.spread = nn.Linear(width, 1)

    def forward(self, x):
        h = self.trunk(x)
        return self.mean(h), nn.functional.softplus(self.spread(h)) + 1e-3


def negative_log_likelihood(mean, sigma, target):
    return (torch.log(sigma) + 0.5 * ((target - mean) / sigma) ** 2).mean()


model = MeanAndSpread()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for step in range(250):
    pick = torch.randint(0, len(x_fit), (50,))
    mean, sigma = model(x_fit[pick])
    loss = negative_log_likelihood(mean, sigma, y_fit[pick])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

with torch.no_grad():
    mean, sigma = model(x_new)
    print("rmse", ((mean - y_new) ** 2).mean().sqrt().item())
