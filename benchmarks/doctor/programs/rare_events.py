import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset, random_split

torch.manual_seed(2)

# sensor readings; the machine fails where two of them are high together
readings = torch.randn(1500, 10)
failed = ((readings[:, 2] > 0.3) & (readings[:, 5] > 0.1)).float()

train_set, val_set = random_split(TensorDataset(readings, failed), [1200, 300])
train_dl = DataLoader(train_set, batch_size=60, shuffle=True)
val_dl = DataLoader(val_set, batch_size=300)


class FailureNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(10, 32),
            nn.ReLU(),
            nn.Linear(32, 32),
            nn.ReLU(),
            nn.Linear(32, 1),
        )

    def forward(self, x):
        return self.layers(x).squeeze(-1)


def balanced_accuracy(model):
    model.eval()
    x, y = next(iter(val_dl))
    with torch.no_grad():
        guess = (model(x) > 0).float()
    recalls = [(guess[y == c] == c).float().mean().item() for c in (0, 1)]
    return sum(recalls) / 2


model = FailureNet()
loss_function = nn.BCEWithLogitsLoss()
optimizer = torch.optim.RMSprop(model.parameters(), lr=2e-3)
for epoch in range(10):
    model.train()
    for x, y in train_dl:
        optimizer.zero_grad()
        loss = loss_function(model(x), y)
        loss.backward()
        optimizer.step()
    print(epoch, round(loss.item(), 4))
print("balanced accuracy", balanced_accuracy(model))
