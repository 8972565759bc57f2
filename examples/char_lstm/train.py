"""A recurrent network of two LSTM layers writes a sonnet letter by letter."""

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

TEXT = """
Shall I compare thee to a summer's day?
Thou art more lovely and more temperate:
Rough winds do shake the darling buds of May,
And summer's lease hath all too short a date:
Sometime too hot the eye of heaven shines,
And often is his gold complexion dimm'd;
And every fair from fair sometime declines,
By chance or nature's changing course untrimm'd;
But thy eternal summer shall not fade
Nor lose possession of that fair thou owest;
Nor shall Death brag thou wander'st in his shade,
When in eternal lines to time thou growest:
So long as men can breathe or eyes can see,
So long lives this and this gives life to thee.
"""
chars = sorted(set(TEXT))
stoi = {ch: i for i, ch in enumerate(chars)}
data = torch.tensor([stoi[ch] for ch in TEXT], dtype=torch.long)


class CharLSTM(nn.Module):
    def __init__(self, vocab, embed=32, hidden=64):
        super().__init__()
        self.embed = nn.Embedding(vocab, embed)
        self.lstm = nn.LSTM(embed, hidden, num_layers=2, batch_first=True, dropout=0.1)
        self.head = nn.Linear(hidden, vocab)

    def forward(self, x, state=None):
        out, state = self.lstm(self.embed(x), state)
        return self.head(out), state


model = CharLSTM(len(chars))
optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3)
for step in range(args.steps):
    starts = torch.randint(0, len(data) - 33, (16,))
    x = torch.stack([data[i : i + 32] for i in starts])
    y = torch.stack([data[i + 1 : i + 33] for i in starts])
    logits, _ = model(x)
    loss = F.cross_entropy(logits.reshape(-1, len(chars)), y.reshape(-1))
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    if step % args.every == 0:
        print(f"step {step} loss {loss.item():.7f}")

model.eval()
letter, state, text = data[:1].view(1, 1), None, ""
with torch.no_grad():
    for _ in range(60):
        logits, state = model(letter, state)
        letter = torch.multinomial(F.softmax(logits[:, -1], dim=-1), 1)
        text += chars[letter.item()]
print(repr(text))
