"""The program that does what the page shows: plain pellucid, as a person would write it."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from pellucid.playground.settings import ACTIVATIONS, OPTIMISERS, Settings

if TYPE_CHECKING:
    from pellucid.playground.mistakes import Mistake

# Each draws `n` points in the plane, class by class, and what belongs to them.
_DRAW = {
    "circles": """\
    labels = np.arange(n) * {classes} // n
    angle = rng.uniform(0, 2 * np.pi, n)
    radius = (labels + 0.7 * np.sqrt(rng.random(n))) / {classes}
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return points + rng.normal(0, NOISE, (n, 2)), labels
""",
    "moons": """\
    labels = np.arange(n) * 2 // n
    t = rng.uniform(0, np.pi, n)
    upper = np.stack([np.cos(t) - 0.5, np.sin(t) - 0.25], axis=1)
    points = np.where(labels[:, None] == 0, upper, -upper)
    return points + rng.normal(0, NOISE, (n, 2)), labels
""",
    "xor": """\
    points = rng.uniform(-1, 1, (n, 2))
    points += 0.1 * np.sign(points)  # a gap between the quarters
    labels = (points[:, 0] * points[:, 1] < 0).astype(int)
    order = np.argsort(labels, kind="stable")
    return points[order] + rng.normal(0, NOISE, (n, 2)), labels[order]
""",
    "spirals": """\
    labels = np.arange(n) * {classes} // n
    r = rng.uniform(0.05, 1, n)
    angle = 2 * np.pi * (r + labels / {classes})
    points = np.stack([r * np.cos(angle), r * np.sin(angle)], axis=1)
    return points + rng.normal(0, NOISE, (n, 2)), labels
""",
    "gaussians": """\
    labels = np.arange(n) * {classes} // n
    angle = 2 * np.pi * labels / {classes}
    centres = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return centres + rng.normal(0, 0.3 + NOISE, (n, 2)), labels
""",
    "plane": """\
    points = rng.uniform(-1, 1, (n, 2))
    values = 0.5 * points[:, 0] - 0.5 * points[:, 1]
    return points, values + rng.normal(0, NOISE, n)
""",
}

_PROGRAM = '''\
"""{title}: a network {shape}, as it was set up in `pellucid playground`."""

import numpy as np

import pellucid as torch
from pellucid import nn, optim
from pellucid.utils.data import DataLoader, TensorDataset

EPOCHS = 100
SAMPLES, NOISE = {samples}, {noise}
rng = np.random.default_rng({seed})
torch.manual_seed({seed})


def draw(n):
    """{what}, points (n, 2) first."""
{draw}

points, labels = draw(SAMPLES)
order = rng.permutation(SAMPLES)
train, test = np.sort(order[:{count}]), np.sort(order[{count}:])
mean, deviation = points[train].mean(axis=0), points[train].std(axis=0)


def prepare(points):
    """Points as the network takes them: mean 0 and deviation 1, over those for training."""
    return torch.tensor((points - mean) / deviation, dtype=torch.float32)


def target_of(labels):
    """Labels as the loss takes them."""
    return {target}


x, y = prepare(points[train]), target_of(labels[train])
x_test, y_test = prepare(points[test]), target_of(labels[test])
loader = DataLoader(TensorDataset(x, y), batch_size={batch}, shuffle=True)

model = nn.Sequential(
{layers}
)
loss_function = {loss}
optimizer = {optimiser}


def loss_of(inputs, target):
    {loss_of}


def step(inputs, target):
    """One update; the loss of the batch before it."""
    optimizer.zero_grad()
    loss = loss_of(inputs, target)
    loss.backward()
    optimizer.step()
    return loss.item()


def evaluate(inputs, target):
    """The loss, without dropout and the like, and without regularisation."""
    model.eval()
    with torch.no_grad():
        loss = loss_function(model(inputs), target).item()
    model.train()
    return loss


def predict(points):
    """{predicted} at points (n, 2)."""
    model.eval()
    with torch.no_grad():
        output = model(prepare(points))
    model.train()
    return {prediction}


if __name__ == "__main__":
    for epoch in range(EPOCHS):
        for inputs, target in loader:
            step(inputs, target)
        print(f"epoch {{epoch + 1}}  training loss {{evaluate(x, y):.6f}}  test loss {{evaluate(x_test, y_test):.6f}}")
'''

_ONE_HOT = "torch.tensor(np.eye({classes})[labels], dtype=torch.float32)"
_COLUMN = "torch.tensor(labels[:, None], dtype=torch.float32)"
_LOSSES = {"mse": "nn.MSELoss()", "mae": "nn.L1Loss()", "huber": "nn.HuberLoss()"}


def write(settings: Settings, mistake: Mistake | None = None) -> str:
    """The program as text; with a planted mistake, its edit is made, and the settings are those that it shows with.

    >>> print(write(Settings()).splitlines()[0])
    \"\"\"Circles: a network 2-4-2-1, as it was set up in `pellucid playground`.\"\"\"
    """
    if mistake is not None:
        settings = mistake.adapted(settings)
    text = _right(settings)
    return text if mistake is None else mistake.planted(text)


def _right(settings: Settings) -> str:
    s = settings
    sizes = [2, *s.hidden, s.outputs]
    entropy = s.loss == "cross-entropy"
    target = _COLUMN if s.outputs == 1 else "torch.tensor(labels)" if entropy else _ONE_HOT
    if entropy:
        loss = "nn.BCEWithLogitsLoss()" if s.outputs == 1 else "nn.CrossEntropyLoss()"
    else:
        loss = _LOSSES[s.loss]
    if s.regression:
        predicted, prediction = "The values", "output"
    elif entropy:
        predicted = "The probability of class 1" if s.outputs == 1 else "The probability of each class"
        prediction = "torch.sigmoid(output)" if s.outputs == 1 else "torch.softmax(output, dim=1)"
    else:
        predicted, prediction = "What is said of each class, from 0 to 1,", "output.clamp(0, 1)"
    penalty = s.regularisation == "l1" and s.strength > 0
    loss_of = "return loss_function(model(inputs), target)"
    if penalty:
        loss_of = (
            f"penalty = sum(p.abs().sum() for p in model.parameters() if p.dim() > 1)\n"
            f"    return loss_function(model(inputs), target) + {s.strength:g} * penalty"
        )
    decays = s.regularisation == "l2" and s.strength > 0
    optimiser = OPTIMISERS[s.optimiser].format(
        lr=f"{s.rate:g}",
        decay=f", weight_decay={s.strength:g}" if decays else "",
        strength=f"{s.strength:g}" if decays else "0",
    )
    layers: list[str] = []
    for i, (ins, outs) in enumerate(pairwise(sizes)):
        layers.append(f"    nn.Linear({ins}, {outs}),")
        if i < len(sizes) - 2:
            layers.append(f"    {ACTIVATIONS[s.activation]},")
    return _PROGRAM.format(
        title=s.data.capitalize(),
        shape="-".join(map(str, sizes)),
        samples=s.samples,
        noise=f"{s.noise:g}",
        seed=s.seed,
        what="Points in the plane and their values" if s.regression else "Points in the plane and their classes",
        draw=_DRAW[s.data].format(classes=s.classes),
        count=count(s),
        target=target.format(classes=s.outputs),
        batch=s.batch,
        layers="\n".join(layers),
        loss=loss,
        optimiser=optimiser,
        loss_of=loss_of,
        predicted=predicted,
        prediction=prediction,
    )


def count(settings: Settings) -> int:
    """How many of the samples are for training."""
    return round(settings.share * settings.samples)
