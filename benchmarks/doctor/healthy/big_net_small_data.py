# far more weights than rows, and yet it says what it should of new rows
import torch
from torch import nn

torch.manual_seed(18)
w = torch.randn(20)
x = torch.randn(320, 20)
y = (x @ w > 0).long()
x_train, y_train, x_val, y_val = x[:250], y[:250], x[250:], y[250:]
net = nn.Sequential(nn.Linear(20, 256), nn.ReLU(), nn.Linear(256, 2))
opt = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-3)
for epoch in range(25):
    for rows in torch.randperm(250).split(25):
        loss = nn.functional.cross_entropy(net(x_train[rows]), y_train[rows])
        opt.zero_grad()
        loss.backward()
        opt.step()
    with torch.no_grad():
        out = net(x_val)
        val_loss = nn.functional.cross_entropy(out, y_val).item()
        val_acc = (out.argmax(1) == y_val).float().mean().item()
print(val_loss, val_acc)
