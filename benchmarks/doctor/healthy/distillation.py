import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)

centers = torch.randn(3, 6) * 2
y = torch.randint(0, 3, (300,))
X = centers[y] + torch.randn(300, 6)
model = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 3))

teacher = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 3))
opt = torch.optim.Adam(teacher.parameters(), lr=0.01)
for step in range(80):
    loss = F.cross_entropy(teacher(X), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
teacher.eval()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for step in range(150):
    idx = torch.randint(0, 300, (50,))
    with torch.no_grad():
        soft = F.softmax(teacher(X[idx]) / 2, dim=1)
    loss = F.kl_div(F.log_softmax(model(X[idx]) / 2, dim=1), soft, reduction="batchmean")
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
