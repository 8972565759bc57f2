"""Vectors of words by skip-grams with negative sampling (Mikolov et al., https://arxiv.org/abs/1310.4546)."""

import argparse
from collections import Counter

import torch
import torch.nn as nn
import torch.nn.functional as F

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=500)
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

words = "".join(ch if ch.isalpha() else " " for ch in TEXT.lower()).split()
counts = Counter(words)
vocabulary = sorted(counts)
number = {word: i for i, word in enumerate(vocabulary)}
pairs = torch.tensor(
    [
        (number[words[i]], number[words[j]])
        for i in range(len(words))
        for j in range(max(0, i - 2), min(len(words), i + 3))
        if i != j
    ]
)
frequency = torch.tensor([float(counts[word]) for word in vocabulary]).pow(0.75)


class SkipGram(nn.Module):
    def __init__(self, vocab, width=24):
        super().__init__()
        self.word = nn.Embedding(vocab, width)
        self.context = nn.Embedding(vocab, width)

    def forward(self, centre, around, negative):
        v = self.word(centre)
        positive = (v * self.context(around)).sum(dim=1)
        others = torch.bmm(self.context(negative), v.unsqueeze(2)).squeeze(2)
        return -(F.logsigmoid(positive) + F.logsigmoid(-others).sum(dim=1)).mean()


model = SkipGram(len(vocabulary))
optimizer = torch.optim.Adagrad(model.parameters(), lr=0.1)
for step in range(args.steps):
    chosen = pairs[torch.randperm(len(pairs))[:64]]
    negative = torch.multinomial(frequency, 64 * 5, replacement=True).view(64, 5)
    loss = model(chosen[:, 0], chosen[:, 1], negative)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % args.every == 0:
        print(f"step {step} loss {loss.item():.7f}")
similarity = F.cosine_similarity(model.word.weight[number["summer"]].unsqueeze(0), model.word.weight)
print([vocabulary[i] for i in similarity.topk(4).indices.tolist()])
