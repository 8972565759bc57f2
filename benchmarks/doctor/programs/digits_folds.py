import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, Dataset

torch.manual_seed(7)
np.random.seed(7)

X, y = load_digits(return_X_y=True)
order = np.random.permutation(len(X))
X, y = X[order], y[order]
X_train, y_train = X[:900], y[:900]
X_test, y_test = X[900:1300], y[900:1300]


class DigitImages(Dataset):
    def __init__(self, images, labels):
        self.images = torch.tensor(images, dtype=torch.float32).view(-1, 1, 8, 8) / 16.0
        self.labels = torch.tensor(labels, dtype=torch.long)

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        return self.images[i], self.labels[i]


class SmallConvNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 16, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(16)
        self.drop = nn.Dropout(0.25)
        self.fc = nn.Linear(16 * 2 * 2, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 2)
        x = F.max_pool2d(F.relu(self.bn2(self.conv2(x))), 2)
        x = self.drop(x.flatten(1))
        return self.fc(x)


def train_one_epoch(model, loader, criterion, optimizer):
    model.train()
    for images, labels in loader:
        optimizer.zero_grad()
        loss = criterion(model(images), labels)
        loss.backward()
        optimizer.step()
    return loss.item()


def validate(model, loader):
    model.eval()
    hits, total = 0, 0
    with torch.no_grad():
        for images, labels in loader:
            prediction = model(images).argmax(dim=1)
            hits += (prediction == labels).sum().item()
            total += len(labels)
    return hits / total


train_loader = DataLoader(DigitImages(X_train, y_train), batch_size=45, shuffle=True)
test_loader = DataLoader(DigitImages(X_test, y_test), batch_size=100)
model = SmallConvNet()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.005)

for epoch in range(6):
    loss = train_one_epoch(model, train_loader, criterion, optimizer)
    print(f"epoch {epoch}  loss {loss:.3f}  test accuracy {validate(model, test_loader):.3f}")
