"""A diffusion model of points on two moons (Ho et al., https://arxiv.org/abs/2006.11239)."""

import argparse

import torch
import torch.nn as nn
import torch.nn.functional as F

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=500)
parser.add_argument("--every", type=int, default=50, help="print the loss after so many steps")
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()

torch.manual_seed(args.seed)


def moons(n):
    angle = torch.rand(n) * torch.pi
    side = torch.randint(0, 2, (n,)).float()
    x = angle.cos() * (1 - 2 * side) + side
    y = angle.sin() * (1 - 2 * side) + 0.5 * side
    return torch.stack([x, y], dim=1) + 0.05 * torch.randn(n, 2)


TIMES = 50
betas = torch.linspace(1e-4, 0.1, TIMES)
alphas_bar = torch.cumprod(1.0 - betas, dim=0)


class Denoiser(nn.Module):
    def __init__(self, width=64):
        super().__init__()
        self.time = nn.Embedding(TIMES, width)
        self.inp, self.mid, self.out = nn.Linear(2, width), nn.Linear(width, width), nn.Linear(width, 2)

    def forward(self, x, t):
        h = F.silu(self.inp(x) + self.time(t))
        return self.out(F.silu(self.mid(h)) + h)


model = Denoiser()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for step in range(args.steps):
    x = moons(128)
    t = torch.randint(0, TIMES, (128,))
    noise = torch.randn_like(x)
    a = alphas_bar[t].unsqueeze(1)
    loss = F.mse_loss(model(a.sqrt() * x + (1 - a).sqrt() * noise, t), noise)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % args.every == 0:
        print(f"step {step} loss {loss.item():.7f}")

with torch.no_grad():
    x = torch.randn(256, 2)
    for t in reversed(range(TIMES)):
        noise = model(x, torch.full((256,), t))
        x = (x - betas[t] / (1 - alphas_bar[t]).sqrt() * noise) / (1 - betas[t]).sqrt()
        if t > 0:
            x += betas[t].sqrt() * torch.randn_like(x)
print(f"mean {x.mean(0).tolist()} std {x.std(0).tolist()}")
