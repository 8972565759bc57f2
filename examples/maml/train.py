"""Learning to learn sines from five points, with gradients through gradient steps (Finn et al., https://arxiv.org/abs/1703.03400)."""

import argparse

import torch
import torch.nn.functional as F

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=300)
parser.add_argument("--every", type=int, default=20, help="print the loss after so many steps")
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()

torch.manual_seed(args.seed)


def net(x, w):
    x = F.relu(F.linear(x, w[0], w[1]))
    x = F.relu(F.linear(x, w[2], w[3]))
    return F.linear(x, w[4], w[5])


def task():
    amplitude, phase = torch.rand(1) * 4.9 + 0.1, torch.rand(1) * torch.pi

    def draw(n):
        x = torch.rand(n, 1) * 10 - 5
        return x, amplitude * torch.sin(x - phase)

    return draw


weights = []
for inp, out in ((1, 40), (40, 40), (40, 1)):
    weights.append(torch.empty(out, inp).normal_(0, 1 / inp**0.5).requires_grad_())
    weights.append(torch.zeros(out, requires_grad=True))
optimizer = torch.optim.Adam(weights, lr=1e-3)
for step in range(args.steps):
    total = 0.0
    for _ in range(4):
        draw = task()
        x, y = draw(5)
        fast = weights
        for _ in range(2):
            inner = F.mse_loss(net(x, fast), y)
            grads = torch.autograd.grad(inner, fast, create_graph=True)
            fast = [w - 0.01 * g for w, g in zip(fast, grads)]
        x, y = draw(10)
        total = total + F.mse_loss(net(x, fast), y)
    loss = total / 4
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % args.every == 0:
        print(f"step {step} loss {loss.item():.7f}")
