"""LeNet-5 reads digits that are drawn somewhere in a picture with noise."""

import argparse

import torch
import torch.nn as nn
import torch.nn.functional as F

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=300)
parser.add_argument("--every", type=int, default=50, help="print the loss after so many steps")
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


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 3)
        self.fc1 = nn.Linear(16 * 3 * 3, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = torch.flatten(x, 1)
        x = F.dropout(F.relu(self.fc1(x)), 0.1, training=self.training)
        return self.fc3(F.relu(self.fc2(x)))


model = LeNet()

optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
for step in range(args.steps):
    images, labels = batch(32)
    loss = F.cross_entropy(model(images), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % args.every == 0:
        print(f"step {step} loss {loss.item():.7f}")

model.eval()
with torch.no_grad():
    images, labels = batch(256)
    print(f"accuracy {(model(images).argmax(1) == labels).float().mean().item():.3f}")
