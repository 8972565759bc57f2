"""A recurrent encoder and a decoder with attention turn sequences around (Bahdanau et al., https://arxiv.org/abs/1409.0473)."""

import argparse

import torch
import torch.nn as nn
import torch.nn.functional as F

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=300)
parser.add_argument("--every", type=int, default=20, help="print the loss after so many steps")
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()

torch.manual_seed(args.seed)

LETTERS, LENGTH, START = 12, 8, 0


class Encoder(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.embedding = nn.Embedding(LETTERS, width)
        self.gru = nn.GRU(width, width, batch_first=True)

    def forward(self, x):
        return self.gru(self.embedding(x))


class Decoder(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.embedding = nn.Embedding(LETTERS, width)
        self.query, self.key, self.energy = nn.Linear(width, width), nn.Linear(width, width), nn.Linear(width, 1)
        self.cell = nn.GRUCell(2 * width, width)
        self.out = nn.Linear(width, LETTERS)

    def forward(self, letter, hidden, memory):
        scores = self.energy(torch.tanh(self.query(hidden).unsqueeze(1) + self.key(memory))).squeeze(-1)  # (B, T)
        context = torch.bmm(F.softmax(scores, dim=-1).unsqueeze(1), memory).squeeze(1)
        hidden = self.cell(torch.cat([self.embedding(letter), context], dim=-1), hidden)
        return self.out(hidden), hidden


encoder, decoder = Encoder(48), Decoder(48)
optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=5e-3)
criterion = nn.NLLLoss()
for step in range(args.steps):
    x = torch.randint(1, LETTERS, (32, LENGTH))
    y = x.flip(1)
    memory, hidden = encoder(x)
    hidden, letter, loss = hidden[0], torch.full((32,), START), 0
    for t in range(LENGTH):
        logits, hidden = decoder(letter, hidden, memory)
        loss += criterion(F.log_softmax(logits, dim=1), y[:, t])
        letter = y[:, t]
    loss = loss / LENGTH
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % args.every == 0:
        print(f"step {step} loss {loss.item():.7f}")
