# predicting the cultivar of a wine from its chemistry
import torch
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

torch.manual_seed(21)

features, target = load_wine(return_X_y=True)
X_train, X_val, y_train, y_val = train_test_split(features, target, test_size=0.3, random_state=1, stratify=target)
scaler = StandardScaler().fit(X_train)
X_train, X_val = scaler.transform(X_train), scaler.transform(X_val)

X_train = torch.tensor(X_train, dtype=torch.float32)
X_val = torch.tensor(X_val, dtype=torch.float32)
y_train, y_val = torch.tensor(y_train), torch.tensor(y_val)

H = 40
network = torch.nn.Sequential(
    torch.nn.Linear(13, H),
    torch.nn.ELU(),
    torch.nn.Linear(H, H),
    torch.nn.ELU(),
    torch.nn.Linear(H, 3),
)
loss_of = torch.nn.CrossEntropyLoss()
optimiser = torch.optim.SGD(network.parameters(), lr=0.03, momentum=0.8)

history = []
for epoch in range(30):
    shuffled = torch.randperm(len(X_train))
    network.train()
    for chunk in shuffled.split(16):
        optimiser.zero_grad()
        loss = loss_of(network(X_train[chunk]), y_train[chunk])
        loss.backward()
        optimiser.step()
    network.eval()
    with torch.no_grad():
        out = network(X_val)
        history.append((loss_of(out, y_val).item(), (out.argmax(1) == y_val).float().mean().item()))
print("validation loss and accuracy", history[-1][0], history[-1][1])
