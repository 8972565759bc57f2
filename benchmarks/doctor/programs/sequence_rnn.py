import torch
import torch.nn as nn

torch.manual_seed(1)

SEQ_LEN, HIDDEN, BATCH = 12, 24, 50


def get_data(n):
    """1 if the first half of the sequence is larger than the second"""
    x = torch.randn(n, SEQ_LEN, 1)
    y = (x[:, :6].sum(dim=(1, 2)) > x[:, 6:].sum(dim=(1, 2))).long()
    return x, y


class RNNClassifier(nn.Module):
    def __init__(self):
        super(RNNClassifier, self).__init__()
        self.rnn = nn.GRU(1, HIDDEN, batch_first=True)
        self.out = nn.Linear(HIDDEN, 2)

    def forward(self, x):
        output, h = self.rnn(x)
        return self.out(output[:, -1, :])


x_train, y_train = get_data(600)
dataset = torch.utils.data.TensorDataset(x_train, y_train)
loader = torch.utils.data.DataLoader(dataset, batch_size=BATCH, shuffle=True)

net = RNNClassifier()
loss_fn = nn.CrossEntropyLoss()
opt = torch.optim.Adam(net.parameters(), lr=0.01)

for epoch in range(15):
    total, correct = 0.0, 0
    for xb, yb in loader:
        pred = net(xb)
        loss = loss_fn(pred, yb)
        opt.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        opt.step()
        total += loss.item() * len(xb)
        correct += (pred.argmax(1) == yb).sum().item()
    print(epoch, total / len(dataset), correct / len(dataset))
