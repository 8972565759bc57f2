# trained on pictures that are turned and noisy, evaluated on clean ones: the evaluation is better, as it should be
import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

torch.manual_seed(9)
X, y = load_digits(n_class=6, return_X_y=True)
images = torch.tensor(X / 16, dtype=torch.float32).view(-1, 1, 8, 8)
labels = torch.tensor(y)
order = torch.randperm(len(y))
train, test = order[:800], order[800:]
model = nn.Sequential(
    nn.Conv2d(1, 12, 3), nn.ReLU(), nn.Conv2d(12, 16, 3), nn.ReLU(), nn.Flatten(), nn.Dropout(0.3), nn.Linear(256, 6)
)
opt = torch.optim.Adam(model.parameters(), lr=3e-3)


def augment(x):
    x = torch.roll(x, int(torch.randint(-1, 2, ())), dims=3)
    return x + 0.35 * torch.randn_like(x)


for epoch in range(6):
    model.train()
    for rows in train[torch.randperm(800)].split(40):
        loss = nn.functional.cross_entropy(model(augment(images[rows])), labels[rows])
        opt.zero_grad()
        loss.backward()
        opt.step()
    model.eval()
    with torch.no_grad():
        hits = (model(images[test]).argmax(1) == labels[test]).float()
    print(epoch, loss.item(), hits.mean().item(), np.round(hits.std().item(), 3))
