import math

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(5)

VOCAB, LENGTH, DIM = 12, 10, 32

# is the first token repeated later in the sequence?
tokens = torch.randint(0, VOCAB, (800, LENGTH))
labels = (tokens[:, 1:] == tokens[:, :1]).any(dim=1).long()


class SelfAttention(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.query = nn.Linear(dim, dim)
        self.key = nn.Linear(dim, dim)
        self.value = nn.Linear(dim, dim)

    def forward(self, x):  # (B, T, C)
        q, k, v = self.query(x), self.key(x), self.value(x)
        att = q @ k.transpose(-2, -1) / math.sqrt(x.size(-1))
        att = F.softmax(att, dim=-1)
        return att @ v


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(VOCAB, DIM)
        self.pos = nn.Parameter(torch.randn(LENGTH, DIM) * 0.5)
        self.att = SelfAttention(DIM)
        self.mlp = nn.Sequential(nn.Linear(DIM, 64), nn.GELU(), nn.Linear(64, DIM))
        self.head = nn.Linear(DIM, 2)

    def forward(self, idx):
        x = self.emb(idx) + self.pos
        x = x + self.att(x)
        x = x + self.mlp(x)
        return self.head(x[:, 0])


model = Classifier()
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)

for step in range(250):
    ix = torch.randint(0, len(tokens), (64,))
    xb, yb = tokens[ix], labels[ix]
    logits = model(xb)
    loss = F.cross_entropy(logits, yb)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    if step % 50 == 0:
        acc = (logits.argmax(-1) == yb).float().mean()
        print(f"step {step} loss {loss.item():.4f} acc {acc.item():.3f}")
