"""A generator learns to draw points on a ring, against a discriminator (Goodfellow et al., https://arxiv.org/abs/1406.2661)."""

import argparse

import torch
import torch.nn as nn

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=1000)
parser.add_argument("--every", type=int, default=100, help="print the loss after so many steps")
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()

torch.manual_seed(args.seed)


def real(n):
    angle = torch.rand(n) * 2 * torch.pi
    return torch.stack([angle.cos(), angle.sin()], dim=1) + 0.05 * torch.randn(n, 2)


def weights_init(m):
    if isinstance(m, nn.Linear):
        nn.init.xavier_normal_(m.weight)
        nn.init.zeros_(m.bias)


G = nn.Sequential(nn.Linear(4, 64), nn.ReLU(True), nn.Linear(64, 64), nn.ReLU(True), nn.Linear(64, 2)).apply(
    weights_init
)
D = nn.Sequential(
    nn.Linear(2, 64), nn.LeakyReLU(0.2), nn.Linear(64, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1), nn.Sigmoid()
)
D.apply(weights_init)
criterion = nn.BCELoss()
optG = torch.optim.Adam(G.parameters(), lr=1e-3, betas=(0.5, 0.999))
optD = torch.optim.Adam(D.parameters(), lr=1e-3, betas=(0.5, 0.999))
ones, zeros = torch.ones(64, 1), torch.zeros(64, 1)
for step in range(args.steps):
    fake = G(torch.randn(64, 4))
    D.zero_grad()
    lossD = criterion(D(real(64)), ones) + criterion(D(fake.detach()), zeros)
    lossD.backward()
    optD.step()
    G.zero_grad()
    lossG = criterion(D(fake), ones)
    lossG.backward()
    optG.step()
    if step % args.every == 0:
        print(f"step {step} loss {lossD.item():.7f} generator {lossG.item():.7f}")
radius = G(torch.randn(256, 4)).norm(dim=1)
print(f"radius {radius.mean().item():.3f} +- {radius.std().item():.3f}")
