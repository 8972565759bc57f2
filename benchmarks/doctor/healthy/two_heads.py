import torch
import torch.nn as nn

torch.manual_seed(12)
signal = torch.randn(500, 12)
kind = (signal[:, :4].sum(1) > 0).long()
size = signal[:, 4:5] * 2 + signal[:, 5:6]


class TwoHeads(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(12, 40), nn.ReLU())
        self.kind, self.size = nn.Linear(40, 2), nn.Linear(40, 1)

    def forward(self, x):
        h = self.body(x)
        return self.kind(h), self.size(h)


model = TwoHeads()
opt = torch.optim.Adam(model.parameters(), lr=5e-3)
for epoch in range(12):
    for rows in torch.randperm(500).split(25):
        a, b = model(signal[rows])
        loss = nn.functional.cross_entropy(a, kind[rows]) + 0.5 * nn.functional.mse_loss(b, size[rows])
        opt.zero_grad()
        loss.backward()
        opt.step()
    print(epoch, loss.item())
