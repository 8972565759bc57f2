"""A network solves u'' = -pi^2 sin(pi x) from the equation alone (Raissi et al., https://arxiv.org/abs/1711.10561)."""

import argparse

import torch
import torch.nn as nn

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=1000)
parser.add_argument("--every", type=int, default=100, help="print the loss after so many steps")
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()

torch.manual_seed(args.seed)

model = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))
for layer in model:
    if isinstance(layer, nn.Linear):
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
ends = torch.tensor([[-1.0], [1.0]])
for step in range(args.steps):
    x = (torch.rand(64, 1) * 2 - 1).requires_grad_(True)
    u = model(x)
    du = torch.autograd.grad(u, x, grad_outputs=torch.ones_like(u), create_graph=True)[0]
    ddu = torch.autograd.grad(du, x, grad_outputs=torch.ones_like(du), create_graph=True)[0]
    residual = ddu + torch.pi**2 * torch.sin(torch.pi * x)
    loss = residual.pow(2).mean() + 10 * model(ends).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % args.every == 0:
        print(f"step {step} loss {loss.item():.7f}")
x = torch.linspace(-1, 1, 101).unsqueeze(1)
with torch.no_grad():
    print(f"largest error {(model(x) - torch.sin(torch.pi * x)).abs().max().item():.4f}")
