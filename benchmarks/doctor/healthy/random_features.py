# an extreme learning machine: random features, of which the head alone is trained
import torch
import torch.nn as nn

torch.manual_seed(4)
x = torch.randn(600, 6)
y = ((x[:, 0] * x[:, 1] > 0).long() + (x[:, 2] > 0.5).long())


class Machine(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Linear(6, 300)
        self.head = nn.Linear(300, 3)

    def forward(self, x):
        return self.head(torch.relu(self.features(x)))


machine = Machine()
optimizer = torch.optim.Adam(machine.head.parameters(), lr=0.01)
for epoch in range(15):
    for rows in torch.randperm(600).split(50):
        loss = nn.functional.cross_entropy(machine(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
print((machine(x).argmax(1) == y).float().mean().item())
