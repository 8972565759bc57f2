import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)

x = torch.randn(10, 300, 2)  # (time, batch, features)
y = (x[..., 0].sum(0) > 0).long()
rnn = nn.RNN(2, 20)
head = nn.Linear(20, 2)
params = list(rnn.parameters()) + list(head.parameters())
optimizer = torch.optim.Adam(params, lr=5e-3)
for epoch in range(20):
    for idx in torch.randperm(300).split(50):
        out, _ = rnn(x[:, idx])
        loss = F.cross_entropy(head(out[-1]), y[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
