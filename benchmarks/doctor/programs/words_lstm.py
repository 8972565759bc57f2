import random

import torch
import torch.nn as nn
from torch.nn.utils import clip_grad_norm_

random.seed(5)
torch.manual_seed(5)

LETTERS = "abcdefghijklmnop"
VOWELS = set("aeio")


def word():
    return "".join(random.choice(LETTERS) for _ in range(9))


def label_of(w):
    """more vowels in the first half, in the second, or as many"""
    first, second = sum(c in VOWELS for c in w[:4]), sum(c in VOWELS for c in w[5:])
    return 0 if first > second else 1 if second > first else 2


words = [word() for _ in range(900)]
codes = torch.tensor([[LETTERS.index(c) for c in w] for w in words])
kinds = torch.tensor([label_of(w) for w in words])
train_codes, train_kinds = codes[:700], kinds[:700]
valid_codes, valid_kinds = codes[700:], kinds[700:]


class WordLSTM(nn.Module):
    def __init__(self, units=32):
        super().__init__()
        self.embed = nn.Embedding(len(LETTERS), 12)
        self.lstm = nn.LSTM(12, units, batch_first=True)
        self.head = nn.Linear(units, 3)

    def forward(self, codes):
        steps, (last, cell) = self.lstm(self.embed(codes))
        return self.head(last[-1])


model = WordLSTM()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
ce = nn.CrossEntropyLoss()
for epoch in range(8):
    order = torch.randperm(len(train_codes))
    for start in range(0, len(order), 50):
        take = order[start : start + 50]
        optimizer.zero_grad()
        loss = ce(model(train_codes[take]), train_kinds[take])
        loss.backward()
        clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
    with torch.no_grad():
        valid = (model(valid_codes).argmax(1) == valid_kinds).float().mean().item()
    print(f"epoch {epoch}: loss {loss.item():.3f}, validation accuracy {valid:.3f}")
