import numpy as np
import pellucid as pl
from pellucid import nn, optim
from pellucid.nn import functional as F
from pellucid.utils.data import DataLoader, TensorDataset

pl.manual_seed(3)
draw = np.random.default_rng(3)

# three arms of a spiral
turn = draw.uniform(0.2, 1, 600)
arm = np.arange(600) % 3
angle = 4 * turn + arm * 2 * np.pi / 3 + draw.normal(0, 0.08, 600)
spiral = np.stack([turn * np.cos(angle), turn * np.sin(angle)], 1).astype(np.float32)
inputs, labels = pl.tensor(spiral), pl.tensor(arm)
train = DataLoader(TensorDataset(inputs[:480], labels[:480]), batch_size=32, shuffle=True)


class Arms(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(2, 48)
        self.b = nn.Linear(48, 48)
        self.c = nn.Linear(48, 3)

    def forward(self, x):
        return self.c(F.leaky_relu(self.b(F.leaky_relu(self.a(x)))))


model = Arms()
optimizer = optim.Adam(model.parameters(), lr=0.01)
for epoch in range(20):
    for x, y in train:
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

with pl.no_grad():
    print("held-out accuracy", (model(inputs[480:]).argmax(1) == labels[480:]).float().mean().item())
