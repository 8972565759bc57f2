"""A graph convolutional network divides a karate club in two (Kipf and Welling, https://arxiv.org/abs/1609.02907)."""

import argparse

import torch
import torch.nn as nn
import torch.nn.functional as F

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=200)
parser.add_argument("--every", type=int, default=20, help="print the loss after so many steps")
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()

torch.manual_seed(args.seed)

# Zachary's karate club: who met whom, and of each member whether it stayed (0) or left (1).
EDGES = (
    "0-1 0-2 0-3 0-4 0-5 0-6 0-7 0-8 0-10 0-11 0-12 0-13 0-17 0-19 0-21 0-31 1-2 1-3 1-7 1-13 1-17 1-19 1-21 "
    "1-30 2-3 2-7 2-8 2-9 2-13 2-27 2-28 2-32 3-7 3-12 3-13 4-6 4-10 5-6 5-10 5-16 6-16 8-30 8-32 8-33 9-33 "
    "13-33 14-32 14-33 15-32 15-33 18-32 18-33 19-33 20-32 20-33 22-32 22-33 23-25 23-27 23-29 23-32 23-33 "
    "24-25 24-27 24-31 25-31 26-29 26-33 27-33 28-31 28-33 29-32 29-33 30-32 30-33 31-32 31-33 32-33"
)
LEFT = {9, 14, 15, 18, 20, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33}

adjacency = torch.eye(34)
for edge in EDGES.split():
    i, j = map(int, edge.split("-"))
    adjacency[i, j] = adjacency[j, i] = 1.0
degree = adjacency.sum(dim=1)
adjacency = degree.pow(-0.5).diag() @ adjacency @ torch.diag(degree.pow(-0.5))  # (N, N)
labels = torch.tensor([int(member in LEFT) for member in range(34)])
known = torch.zeros(34, dtype=torch.bool)
known[[0, 33, 1, 32]] = True


class GraphConvolution(nn.Module):
    def __init__(self, inp, out):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(inp, out))
        self.bias = nn.Parameter(torch.zeros(out))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, x, adjacency):
        return torch.mm(adjacency, torch.mm(x, self.weight)) + self.bias


class GCN(nn.Module):
    def __init__(self):
        super().__init__()
        self.gc1, self.gc2 = GraphConvolution(34, 16), GraphConvolution(16, 2)

    def forward(self, x, adjacency):
        x = F.dropout(F.relu(self.gc1(x, adjacency)), 0.3, training=self.training)
        return F.log_softmax(self.gc2(x, adjacency), dim=1)


model, features = GCN(), torch.eye(34)
optimizer = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=5e-4)
for step in range(args.steps):
    model.train()
    loss = F.nll_loss(model(features, adjacency)[known], labels[known])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % args.every == 0:
        print(f"step {step} loss {loss.item():.7f}")
model.eval()
found = model(features, adjacency).max(1)[1]
print(f"accuracy {found.eq(labels)[~known].float().mean().item():.3f}")
