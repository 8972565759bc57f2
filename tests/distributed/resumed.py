"""Trains a Learner in several processes, from the newest checkpoint in a folder, and writes what became of it."""

import json
import sys
from pathlib import Path

import pellucid as torch
from pellucid import nn, train
from pellucid.train.ranks import first_of_all
from pellucid.utils.data import DataLoader, TensorDataset


def main(folder: Path, until: int, out: Path) -> None:
    torch.manual_seed(0)
    x = torch.randn(50, 4)
    data = TensorDataset(x, (x[:, 0] > 0).long() + (x[:, 1] > 0).long())
    model = nn.Sequential(nn.Linear(4, 8), nn.LayerNorm(8), nn.Tanh(), nn.Linear(8, 3))
    loaders = DataLoader(data, batch_size=8, shuffle=True), DataLoader(data, batch_size=16)
    checkpoint = train.Checkpoint(folder)
    learner = train.Learner(
        model,
        loaders,
        nn.CrossEntropyLoss(),
        torch.optim.Adam(model.parameters(), lr=0.02),
        [train.Accuracy],
        [checkpoint],
    )
    if checkpoint.last is not None:
        learner.load(checkpoint.last)
    began = learner.epoch
    learner.fit(until=until)
    if first_of_all():
        result = {"began": began, "step": learner.step, "loss": learner.train_loss, "evaluation": learner.evaluation}
        result["weights"] = [parameter.tolist() for parameter in model.parameters()]
        out.write_text(json.dumps(result), encoding="utf-8")
        print("written")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
