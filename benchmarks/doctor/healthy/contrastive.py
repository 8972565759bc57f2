import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)

encoder = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 16))
optimizer = torch.optim.Adam(encoder.parameters(), lr=3e-3)
data = torch.randn(256, 8)
for step in range(150):
    x = data[torch.randint(0, 256, (32,))]
    a = F.normalize(encoder(x + 0.1 * torch.randn_like(x)), dim=1)
    b = F.normalize(encoder(x + 0.1 * torch.randn_like(x)), dim=1)
    logits = a @ b.t() / 0.1
    loss = F.cross_entropy(logits, torch.arange(32))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
