import torch
from torch import nn

torch.manual_seed(11)

# say what the first of eight numbers was
N, T = 400, 8
sequences = torch.rand(N, T, 1) * 2 - 1
answers = sequences[:, 0, 0]
train_x, train_y = sequences[:320], answers[:320]
val_x, val_y = sequences[320:], answers[320:]


class ElmanCell(nn.Module):
    def __init__(self, inputs, units):
        super().__init__()
        self.units = units
        self.inner = nn.Linear(inputs, units)
        self.again = nn.Linear(units, units, bias=False)
        nn.init.orthogonal_(self.again.weight, gain=1.0)

    def forward(self, x, h):
        return torch.tanh(self.inner(x) + self.again(h))


class Memory(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = ElmanCell(1, 24)
        self.readout = nn.Linear(24, 1)

    def forward(self, x):
        h = torch.zeros(x.size(0), self.cell.units)
        for t in range(x.size(1)):
            h = self.cell(x[:, t], h)
        return self.readout(h).squeeze(-1)


net = Memory()
opt = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
for epoch in range(25):
    for rows in torch.randperm(320).split(32):
        error = nn.functional.mse_loss(net(train_x[rows]), train_y[rows])
        opt.zero_grad()
        error.backward()
        opt.step()
    with torch.no_grad():
        val = nn.functional.mse_loss(net(val_x), val_y).item()
    if epoch % 6 == 0:
        print(f"{epoch:3d} train {error.item():.5f} val {val:.5f}")
print(f"final {val:.5f}")
