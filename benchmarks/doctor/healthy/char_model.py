import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)

text = "the quick brown fox jumps over the lazy dog. " * 20
chars = sorted(set(text))
ids = torch.tensor([chars.index(c) for c in text])

class CharRNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(len(chars), 16)
        self.lstm = nn.LSTM(16, 48, batch_first=True)
        self.fc = nn.Linear(48, len(chars))

    def forward(self, x):
        h, _ = self.lstm(self.emb(x))
        return self.fc(h)

model = CharRNN()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for step in range(120):
    start = torch.randint(0, len(ids) - 21, (16,))
    x = torch.stack([ids[s:s + 20] for s in start])
    t = torch.stack([ids[s + 1:s + 21] for s in start])
    logits = model(x)
    loss = F.cross_entropy(logits.view(-1, len(chars)), t.view(-1))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
