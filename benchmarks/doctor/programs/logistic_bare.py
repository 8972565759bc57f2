# two layers without nn.Module, after the tutorial on autograd
import math

import torch

g = torch.Generator().manual_seed(8)

angle = torch.rand(500, generator=g) * 2 * math.pi
radius = torch.where(torch.arange(500) % 2 == 0, 0.5, 1.5) + 0.15 * torch.randn(500, generator=g)
points = torch.stack([radius * torch.cos(angle), radius * torch.sin(angle)], dim=1)
inside = (torch.arange(500) % 2 == 0).float()

w1 = (torch.randn(2, 20, generator=g) * 0.8).requires_grad_()
b1 = torch.zeros(20, requires_grad=True)
w2 = (torch.randn(20, generator=g) * 0.3).requires_grad_()
b2 = torch.zeros((), requires_grad=True)
params: list = [w1, b1, w2, b2]

lr = 0.5
for step in range(300):
    rows = torch.randint(0, 400, (50,), generator=g)
    hidden = torch.tanh(points[rows] @ w1 + b1)
    p = torch.sigmoid(hidden @ w2 + b2)
    y = inside[rows]
    loss = -(y * torch.log(p + 1e-7) + (1 - y) * torch.log(1 - p + 1e-7)).mean()
    loss.backward()
    with torch.no_grad():
        for param in params:
            param -= lr * param.grad
            param.grad = None

with torch.no_grad():
    hidden = torch.tanh(points[400:] @ w1 + b1)
    right = ((hidden @ w2 + b2 > 0).float() == inside[400:]).float().mean()
print("accuracy", right.item())
