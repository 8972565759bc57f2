"""A network of three linear layers tells two spirals apart."""

import argparse

import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=500)
parser.add_argument("--every", type=int, default=50, help="print the loss after so many steps")
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()

torch.manual_seed(args.seed)


def spirals(n):
    t = torch.rand(n) * 3 * torch.pi
    label = torch.randint(0, 2, (n,))
    angle = t + label * torch.pi
    points = torch.stack([angle.cos(), angle.sin()], dim=1) * (t / 8)[:, None]
    return points + 0.02 * torch.randn(n, 2), label


model = nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))
print(model)
dataset = TensorDataset(*spirals(512))
loader = DataLoader(dataset, batch_size=64, shuffle=True)
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
criterion = nn.CrossEntropyLoss()

step = 0
while step < args.steps:
    for x, y in loader:
        loss = criterion(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % args.every == 0:
            print(f"step {step} loss {loss.item():.7f}")
        step += 1
        if step == args.steps:
            break

x, y = spirals(512)
model.eval()
with torch.no_grad():
    accuracy = (model(x).argmax(dim=1) == y).float().mean()
print(f"accuracy {accuracy:.3f}")
