import random

import torch
import torch.nn as nn
import torch.optim as optim

random.seed(0)
torch.manual_seed(0)

GOOD = "great superb lovely enjoyable brilliant fine".split()
BAD = "awful boring dreadful weak poor terrible".split()
OTHER = "the a film plot actor scene was is very it with and story music".split()


def review(positive):
    words = random.choices(OTHER, k=7) + random.choices(GOOD if positive else BAD, k=2)
    random.shuffle(words)
    return words


samples = [(review(i % 2 == 0), float(i % 2 == 0)) for i in range(400)]
vocab = {w: i for i, w in enumerate(GOOD + BAD + OTHER)}


def encode(batch):
    ids = torch.tensor([[vocab[w] for w in words] for words, _ in batch])
    targets = torch.tensor([label for _, label in batch])
    return ids, targets


class BagOfWords(nn.Module):
    def __init__(self, vocab_size, emb_dim=16):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, emb_dim)
        self.fc1 = nn.Linear(emb_dim, 16)
        self.fc2 = nn.Linear(16, 1)

    def forward(self, ids):
        x = self.embedding(ids).mean(dim=1)
        x = torch.relu(self.fc1(x))
        return self.fc2(x).squeeze(1)


model = BagOfWords(len(vocab))
criterion = nn.BCEWithLogitsLoss()
optimizer = optim.Adam(model.parameters(), lr=0.01)

for epoch in range(8):
    random.shuffle(samples)
    losses = []
    for start in range(0, len(samples), 20):
        ids, targets = encode(samples[start:start + 20])
        optimizer.zero_grad()
        logits = model(ids)
        loss = criterion(logits, targets)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    print(f"epoch {epoch} loss {sum(losses) / len(losses):.4f}")
