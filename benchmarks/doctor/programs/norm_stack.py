import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(17)


class Softsquare(torch.autograd.Function):
    """x·|x| / (1 + |x|)"""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x.abs() / (1 + x.abs())

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        a = x.abs()
        return grad * (a * (2 + a)) / (1 + a) ** 2


class Layer(nn.Module):
    def __init__(self, inputs, outputs, p):
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        self.norm = nn.BatchNorm1d(outputs)
        self.drop = nn.Dropout(p)

    def forward(self, x):
        return self.drop(Softsquare.apply(self.norm(self.linear(x))))


class Stack(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(Layer(16, 48, 0.15), Layer(48, 48, 0.15), Layer(48, 24, 0.15))
        self.last = nn.Linear(24, 5)

    def forward(self, x):
        return self.last(self.layers(x))


centres = torch.randn(5, 16) * 0.9
labels = torch.randint(0, 5, (1000,))
rows = centres[labels] + torch.randn(1000, 16)
train = TensorDataset(rows[:800], labels[:800])
val_rows, val_labels = rows[800:], labels[800:]
loader = DataLoader(train, batch_size=40, shuffle=True, drop_last=True)

stack = Stack()
objective = nn.CrossEntropyLoss()
optim = torch.optim.NAdam(stack.parameters(), lr=4e-3)
for epoch in range(10):
    stack.train()
    for xb, yb in loader:
        optim.zero_grad()
        value = objective(stack(xb), yb)
        value.backward()
        optim.step()
    stack.eval()
    with torch.no_grad():
        accuracy = (stack(val_rows).argmax(1) == val_labels).float().mean()
    print(f"{epoch} {value.item():.3f} {accuracy.item():.4f}")
