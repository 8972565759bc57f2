"""Which bracket is the odd one out: a small transformer encoder that reads tokens."""
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(33)
V, T, D, HEADS = 9, 8, 32, 4


def sample(n):
    tokens = torch.randint(1, V, (n, T))
    marked = torch.randint(0, T, (n,))
    tokens[torch.arange(n), marked] = 0
    label = (marked >= T // 2).long() + 2 * (tokens[:, 0] > 4).long()
    return tokens, label


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(D), nn.LayerNorm(D)
        self.qkv = nn.Linear(D, 3 * D)
        self.proj = nn.Linear(D, D)
        self.ff = nn.Sequential(nn.Linear(D, 2 * D), nn.GELU(), nn.Linear(2 * D, D))

    def forward(self, x):
        B = x.shape[0]
        q, k, v = self.qkv(self.ln1(x)).view(B, T, 3, HEADS, D // HEADS).permute(2, 0, 3, 1, 4)
        weights = F.softmax(q @ k.transpose(-1, -2) / (D // HEADS) ** 0.5, dim=-1)
        mixed = (weights @ v).transpose(1, 2).reshape(B, T, D)
        x = x + self.proj(mixed)
        return x + self.ff(self.ln2(x))


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(V, D)
        self.where = nn.Embedding(T, D)
        self.blocks = nn.ModuleList([Block(), Block()])
        self.norm = nn.LayerNorm(D)
        self.classify = nn.Linear(D, 4)

    def forward(self, tokens):
        x = self.embed(tokens) + self.where(torch.arange(T))
        for block in self.blocks:
            x = block(x)
        return self.classify(self.norm(x).mean(dim=1))


train_tokens, train_labels = sample(600)
test_tokens, test_labels = sample(200)
model = Encoder()
opt = torch.optim.AdamW(model.parameters(), lr=2e-3)
for it in range(150):
    ix = torch.randint(0, 600, (40,))
    logits = model(train_tokens[ix])
    loss = F.cross_entropy(logits, train_labels[ix])
    opt.zero_grad()
    loss.backward()
    opt.step()
    if it % 50 == 49:
        model.eval()
        with torch.no_grad():
            print(it + 1, loss.item(), (model(test_tokens).argmax(-1) == test_labels).float().mean().item())
        model.train()
