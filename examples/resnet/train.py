"""A small residual network with batch normalisation reads the same digits, with a one-cycle schedule."""

import argparse

import torch
import torch.nn as nn
import torch.nn.functional as F

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=150)
parser.add_argument("--every", type=int, default=10, help="print the loss after so many steps")
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()

torch.manual_seed(args.seed)

# The ten digits on 3 x 5 pixels; a sample is one of them, twice as large, somewhere on 16 x 16 pixels, in noise.
GLYPHS = """
111 010 111 111 101 111 111 111 111 111
101 110 001 001 101 100 100 001 101 101
101 010 111 111 111 111 111 010 111 111
101 010 100 001 001 001 101 010 101 001
111 111 111 111 001 111 111 010 111 111
"""
rows = [line.split() for line in GLYPHS.split("\n") if line]
digits = torch.tensor([[[float(c) for c in row[d]] for row in rows] for d in range(10)])
digits = digits.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)  # (10, 10, 6)


def batch(n):
    labels = torch.randint(0, 10, (n,))
    images = 0.1 * torch.randn(n, 1, 16, 16)
    tops, lefts = torch.randint(0, 7, (n,)), torch.randint(0, 11, (n,))
    for image, label, top, left in zip(images, labels, tops.tolist(), lefts.tolist()):
        image[0, top : top + 10, left : left + 6] += digits[label]
    return images, labels


# SiLU, not ReLU: at a kink a difference of one rounding may take the other side, and curves would be apart by it.
class Block(nn.Module):
    def __init__(self, inp, out, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(inp, out, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.shortcut = nn.Sequential()
        if stride != 1 or inp != out:
            self.shortcut = nn.Sequential(nn.Conv2d(inp, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x):
        out = F.silu(self.bn1(self.conv1(x)))
        return F.silu(self.bn2(self.conv2(out)) + self.shortcut(x))


model = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.SiLU(inplace=True),
    Block(16, 16), Block(16, 32, stride=2), Block(32, 64, stride=2),
    nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10),
)  # fmt: skip

optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4, nesterov=True)
scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.01, total_steps=max(args.steps, 100))
for step in range(args.steps):
    images, labels = batch(32)
    loss = F.cross_entropy(model(images), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    scheduler.step()
    if step % args.every == 0:
        print(f"step {step} loss {loss.item():.7f}")

model.eval()
with torch.no_grad():
    images, labels = batch(256)
    print(f"accuracy {(model(images).argmax(1) == labels).float().mean().item():.3f}")
