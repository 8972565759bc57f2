import numpy as np
import torch
from sklearn.datasets import load_diabetes
from torch import nn, optim

SEED = 13
torch.manual_seed(13)


def load():
    x, y = load_diabetes(return_X_y=True, scaled=False)
    x, y = np.asarray(x, np.float32), np.asarray(y, np.float32)
    cut = int(0.8 * len(x))
    mean, std = x[:cut].mean(axis=0), x[:cut].std(axis=0)
    x = (x - mean) / std
    y = (y - y[:cut].mean()) / y[:cut].std()
    tensors = [torch.from_numpy(part) for part in (x[:cut], y[:cut], x[cut:], y[cut:])]
    return tensors


class Regressor(nn.Module):
    def __init__(self, n_in, n_hidden):
        super().__init__()
        self.fc1 = nn.Linear(n_in, n_hidden)
        self.fc2 = nn.Linear(n_hidden, n_hidden)
        self.out = nn.Linear(n_hidden, 1)

    def forward(self, x):
        x = torch.tanh(self.fc1(x))
        x = torch.tanh(self.fc2(x))
        return self.out(x)[:, 0]


def run_epoch(model, x, y, optimizer, batch=44):
    model.train()
    order = torch.randperm(len(x))
    for i in range(0, len(x), batch):
        idx = order[i : i + batch]
        prediction = model(x[idx])
        loss = nn.functional.smooth_l1_loss(prediction, y[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return float(loss)


def main():
    train_x, train_y, test_x, test_y = load()
    model = Regressor(10, 24)
    optimizer = optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)
    for epoch in range(25):
        loss = run_epoch(model, train_x, train_y, optimizer)
        model.eval()
        with torch.no_grad():
            test_loss = nn.functional.mse_loss(model(test_x), test_y).item()
    print(f"train {loss:.4f} test {test_loss:.4f}")


if __name__ == "__main__":
    main()
