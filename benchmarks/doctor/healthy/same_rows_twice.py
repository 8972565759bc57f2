# few kinds of rows, which are in both sets by their nature: three dice, and whether their sum is large
import torch
from torch import nn

torch.manual_seed(6)
dice = torch.randint(1, 7, (900, 3)).float()
large = (dice.sum(1) > 10).float()
train_x, val_x, train_y, val_y = dice[:700], dice[700:], large[:700], large[700:]
mean, std = train_x.mean(0), train_x.std(0)
model = nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 1))
opt = torch.optim.Adam(model.parameters(), lr=0.02)
for epoch in range(12):
    for rows in torch.randperm(700).split(50):
        logits = model((train_x[rows] - mean) / std).squeeze(1)
        loss = nn.functional.binary_cross_entropy_with_logits(logits, train_y[rows])
        opt.zero_grad()
        loss.backward()
        opt.step()
    with torch.no_grad():
        val = ((model((val_x - mean) / std).squeeze(1) > 0).float() == val_y).float().mean()
    print(epoch, loss.item(), val.item())
