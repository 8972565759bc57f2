import torch
from torch import nn

torch.manual_seed(14)
x = torch.rand(500, 3) * 4 - 2
y = torch.sin(x[:, :1]) * x[:, 1:2] + 0.3 * x[:, 2:]

net = nn.Sequential(nn.Linear(3, 48), nn.SiLU(), nn.Linear(48, 48), nn.SiLU(), nn.Linear(48, 1))
opt = torch.optim.SGD(net.parameters(), lr=0.2, momentum=0.9)
sched = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(opt, T_0=40)
for step in range(240):
    rows = torch.randint(0, 500, (64,))
    loss = nn.functional.mse_loss(net(x[rows]), y[rows])
    opt.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), 2.0)
    opt.step()
    sched.step()
    if step % 40 == 39:
        print(step, loss.item())
