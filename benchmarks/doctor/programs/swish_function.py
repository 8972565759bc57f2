import torch
from torch import nn
from torch.autograd import Function

torch.manual_seed(11)


class Swish(Function):
    @staticmethod
    def forward(ctx, x):
        s = torch.sigmoid(x)
        ctx.save_for_backward(x, s)
        return x * s

    @staticmethod
    def backward(ctx, grad_output):
        x, s = ctx.saved_tensors
        return grad_output * (s + x * s * (1 - s))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.l1 = nn.Linear(6, 40)
        self.l2 = nn.Linear(40, 40)
        self.l3 = nn.Linear(40, 1)

    def forward(self, x):
        h = Swish.apply(self.l1(x))
        h = Swish.apply(self.l2(h))
        return self.l3(h)


X = torch.rand(400, 6) * 2 - 1
Y = (X[:, :3] * X[:, 3:]).sum(dim=1, keepdim=True) * 2

net = Net()
opt = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
for epoch in range(40):
    for xb, yb in zip(X.split(50), Y.split(50)):
        out = net(xb)
        loss = ((out - yb) ** 2).mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 10 == 0:
        print(epoch, loss.item())
