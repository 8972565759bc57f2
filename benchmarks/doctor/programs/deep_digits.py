import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset

torch.manual_seed(7)

PATTERNS = (torch.rand(5, 36) > 0.5).float()


class Digits(Dataset):
    def __init__(self, n):
        self.targets = torch.randint(0, 5, (n,))
        flips = (torch.rand(n, 36) < 0.12).float()
        self.data = (PATTERNS[self.targets] - flips).abs()

    def __len__(self):
        return len(self.targets)

    def __getitem__(self, index):
        return self.data[index], self.targets[index]


class DeepNet(nn.Module):
    def __init__(self, hidden=32):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(36, hidden)] + [nn.Linear(hidden, hidden) for _ in range(4)])
        self.dropout = nn.Dropout(0.1)
        self.head = nn.Linear(hidden, 5)

    def forward(self, x):
        for layer in self.layers:
            x = F.relu(layer(x))
        return self.head(self.dropout(x))


def evaluate(model, loader):
    model.eval()
    correct = 0
    with torch.no_grad():
        for x, y in loader:
            correct += (model(x).argmax(1) == y).sum().item()
    return correct / len(loader.dataset)


train_loader = DataLoader(Digits(400), batch_size=25, shuffle=True)
val_loader = DataLoader(Digits(100), batch_size=50)
model = DeepNet()
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)

for epoch in range(12):
    model.train()
    for x, y in train_loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    print(epoch, loss.item(), evaluate(model, val_loader))
