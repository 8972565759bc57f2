"""A variational autoencoder of pictures of digits (Kingma and Welling, https://arxiv.org/abs/1312.6114)."""

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


class VAE(nn.Module):
    def __init__(self, hidden=128, latent=8):
        super().__init__()
        self.encoder = nn.Linear(256, hidden)
        self.mean, self.logvar = nn.Linear(hidden, latent), nn.Linear(hidden, latent)
        self.decoder = nn.Sequential(nn.Linear(latent, hidden), nn.ReLU(), nn.Linear(hidden, 256))

    def reparameterize(self, mean, logvar):
        std = torch.exp(0.5 * logvar)
        return mean + torch.randn_like(std) * std

    def forward(self, x):
        h = F.relu(self.encoder(x.view(-1, 256)))
        mean, logvar = self.mean(h), self.logvar(h)
        return torch.sigmoid(self.decoder(self.reparameterize(mean, logvar))), mean, logvar


model = VAE()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for step in range(args.steps):
    x = batch(64)[0].clamp(0, 1)
    recon, mean, logvar = model(x)
    bce = F.binary_cross_entropy(recon, x.view(-1, 256), reduction="sum")
    kld = -0.5 * torch.sum(1 + logvar - mean.pow(2) - logvar.exp())
    loss = (bce + kld) / len(x)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % args.every == 0:
        print(f"step {step} loss {loss.item():.7f}")
