"""A small Learner whose run is recorded, and how to read what a callback left of it."""

import csv
import io
import struct
from pathlib import Path
from typing import Any

import numpy as np

import pellucid
from pellucid import nn, optim
from pellucid.train import (
    Accuracy,
    Callback,
    Learner,
)
from pellucid.utils.data import DataLoader, TensorDataset

STEPS = 5  # per epoch, the last of them on a smaller batch


def learner(*callbacks: Callback, seed: int = 0, valid: bool = True, **options: Any) -> Learner:
    """A network with dropout, on data in an order drawn from a generator of its own."""
    rng = np.random.default_rng(0)
    x = pellucid.from_numpy(rng.normal(size=(34, 3)).astype(np.float32))
    y = pellucid.from_numpy(rng.integers(0, 2, 34))
    pellucid.manual_seed(seed)
    model = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 2))
    generator = pellucid.Generator().manual_seed(seed)
    train = DataLoader(TensorDataset(x, y), batch_size=8, shuffle=True, generator=generator)
    data = (train, DataLoader(TensorDataset(x[:7], y[:7]), batch_size=3)) if valid else train
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    return Learner(model, data, nn.CrossEntropyLoss(), optimizer, {"accuracy": Accuracy}, callbacks, **options)


class StopAt(Callback):
    """Stops the fit after a step, as Ctrl-C would."""

    order = 100

    def __init__(self, step: int) -> None:
        self.step = step

    def after_batch(self, learner: Learner) -> None:
        if learner.step == self.step:
            learner.stop()


class FailAt(StopAt):
    """Fails after a step, as a bug would."""

    def after_batch(self, learner: Learner) -> None:
        if learner.step == self.step:
            raise RuntimeError("a bug")


def parameters(run: Learner) -> list[bytes]:
    return [parameter.detach().numpy().tobytes() for parameter in run.model.parameters()]


def without_seconds(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def csv_rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


def events(folder: Path) -> list[Any]:
    """What the event files of a folder hold, in the order in which TensorBoard reads them."""
    from tensorboardX.proto.event_pb2 import Event

    found = []
    for path in sorted(folder.iterdir()):
        content, place = path.read_bytes(), 0
        while place < len(content):  # a record: its length, 4 bytes of checksum, itself, 4 bytes of checksum
            (length,) = struct.unpack_from("<Q", content, place)
            found.append(Event.FromString(content[place + 12 : place + 12 + length]))
            place += 16 + length
    return found


def board_scalars(folder: Path) -> dict[tuple[str, int], float]:
    """What TensorBoard shows: a file that goes on from a step hides what earlier ones have of later steps."""
    shown: dict[tuple[str, int], float] = {}
    for event in events(folder):
        if event.HasField("session_log"):
            shown = {(tag, step): value for (tag, step), value in shown.items() if step < event.step}
        for value in event.summary.value:
            if value.HasField("simple_value"):
                shown[value.tag, event.step] = value.simple_value
    return shown
