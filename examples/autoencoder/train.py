"""A convolutional autoencoder takes the noise out of pictures of digits."""

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


model = nn.Sequential(
    nn.Conv2d(1, 8, 3, stride=2, padding=1), nn.LeakyReLU(0.1),
    nn.Conv2d(8, 16, 3, stride=2, padding=1), nn.LeakyReLU(0.1),
    nn.ConvTranspose2d(16, 8, 4, stride=2, padding=1), nn.LeakyReLU(0.1),
    nn.ConvTranspose2d(8, 1, 4, stride=2, padding=1), nn.Sigmoid(),
)  # fmt: skip
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
for step in range(args.steps):
    x = batch(32)[0].clamp(0, 1)
    loss = F.mse_loss(model(x + 0.2 * torch.randn_like(x)), x)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    if step % args.every == 0:
        print(f"step {step} loss {loss.item():.7f}")
