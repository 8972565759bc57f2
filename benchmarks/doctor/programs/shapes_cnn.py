import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(0)


def make_image(kind):
    img = torch.rand(1, 10, 10) * 0.6
    i = int(torch.randint(2, 8, (1,)))
    if kind == 0:
        img[0, i, 1:9] += 0.8
    elif kind == 1:
        img[0, 1:9, i] += 0.8
    else:
        for k in range(1, 9):
            img[0, k, (k + i) % 10] += 0.8
    return img


labels = torch.randint(0, 3, (360,))
images = torch.stack([make_image(int(k)) for k in labels])


class ConvNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 16, 3, padding=1)
        self.fc = nn.Linear(16 * 2 * 2, 3)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = x.view(x.size(0), -1)
        return F.log_softmax(self.fc(x), dim=1)


def train(model, optimizer, epoch):
    model.train()
    order = torch.randperm(len(images))
    for i in range(0, len(images), 36):
        idx = order[i:i + 36]
        data, target = images[idx], labels[idx]
        optimizer.zero_grad()
        output = model(data)
        loss = F.nll_loss(output, target)
        loss.backward()
        optimizer.step()
    print("epoch", epoch, "loss", loss.item())


def test(model):
    model.eval()
    with torch.no_grad():
        pred = model(images).argmax(1)
    print("accuracy", (pred == labels).float().mean().item())


model = ConvNet()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
for epoch in range(10):
    train(model, optimizer, epoch)
    test(model)
