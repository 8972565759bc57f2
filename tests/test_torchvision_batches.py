"""Pictures that a data set has in memory, loaded by whole batches: the same numbers as one by one."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid as torch
from pellucid.bridge.torchvision import datasets, transforms
from pellucid.bridge.torchvision.transforms import functional as F
from pellucid.core import Interpreter, interpreter
from pellucid.utils.data import DataLoader, Subset, default_collate
from pellucid.utils.data.dataset import loads_whole_batches

from .test_torchvision import idx

pytest.importorskip("PIL.Image")


def mnist(folder: Path, transform: Any, **given: Any) -> Any:
    rng = np.random.default_rng(0)
    for name, array in (("images-idx3", rng.integers(0, 256, (9, 28, 28))), ("labels-idx1", rng.integers(0, 10, 9))):
        (folder / f"train-{name}-ubyte").write_bytes(idx(array.astype(np.uint8)))
    return datasets.MNIST(folder, transform=transform, **given)


def cifar(folder: Path, transform: Any, **given: Any) -> Any:
    folder = folder / "cifar-10-batches-py"
    folder.mkdir(exist_ok=True)
    data = np.random.default_rng(1).integers(0, 256, (9, 3072), dtype=np.uint8)
    (folder / "test_batch").write_bytes(pickle.dumps({"data": data, "labels": list(range(9))}, protocol=2))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": ["cat"] * 10}, protocol=2))
    return datasets.CIFAR10(folder.parent, train=False, transform=transform, **given)


class Counted:
    """A transform that is none of those that are known."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, picture: Any) -> Any:
        self.calls += 1
        return F.to_tensor(picture)


KNOWN = {
    "ToTensor": lambda: transforms.ToTensor(),
    "normalised": lambda: transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))]),
    "twice": lambda: transforms.Compose(
        [transforms.ToTensor(), transforms.Normalize([0.5], [0.25]), transforms.Normalize((1,), (2.0,))]
    ),
}


@pytest.mark.parametrize("kind", [mnist, cifar])
@pytest.mark.parametrize("transform", KNOWN.values(), ids=KNOWN.keys())
@pytest.mark.parametrize("default", [torch.float32, torch.float64])
def test_a_batch_is_what_its_pictures_are(kind: Any, transform: Any, default: Any, tmp_path: Path) -> None:
    data = kind(tmp_path, transform())
    indices = [4, 0, 8, 4, 3]
    torch.set_default_dtype(default)
    try:
        made, single = data._at_once(indices), default_collate([data[index] for index in indices])
        below = next(iter(DataLoader(Subset(data, indices), batch_size=5)))
    finally:
        torch.set_default_dtype(torch.float32)
    assert loads_whole_batches(data) and made is not None and made[0].is_contiguous() and made[0].dtype is default
    for found in (made, below):
        for part, other in zip(found, single, strict=True):
            assert part.dtype is other.dtype and torch.equal(part, other)


@pytest.mark.parametrize("kind", [mnist, cifar])
def test_whatever_else_is_done_to_a_picture_is_done_to_each(kind: Any, tmp_path: Path) -> None:
    counted = Counted()
    for transform in (counted, transforms.Compose([counted, transforms.Normalize((0.5,), (0.5,))])):
        data = kind(tmp_path, transform)
        batches = [default_collate([data[i] for i in part]) for part in ([0, 1, 2, 3], [4, 5, 6, 7], [8])]
        before = counted.calls
        for batch, other in zip(DataLoader(data, batch_size=4), batches, strict=True):
            assert torch.equal(batch[0], other[0]) and torch.equal(batch[1], other[1])
        assert counted.calls == before + 9
    labelled = kind(tmp_path, transforms.ToTensor(), target_transform=lambda label: label + 100)
    assert next(iter(DataLoader(labelled, batch_size=9)))[1].min() >= 100
    turned = kind(tmp_path, transforms.Compose([transforms.RandomHorizontalFlip(1.0), transforms.ToTensor()]))
    assert torch.equal(next(iter(DataLoader(turned, batch_size=9)))[0][2], turned[2][0])


def test_pictures_that_are_no_longer_bytes_are_taken_one_by_one(tmp_path: Path) -> None:
    data = mnist(tmp_path, transforms.ToTensor())
    data.targets = data.targets.tolist()
    assert data._at_once([0, 1]) is None
    assert next(iter(DataLoader(data, batch_size=9)))[1].tolist() == data.targets
    data = cifar(tmp_path, transforms.ToTensor())
    data.data = data.data[:, :16]
    assert next(iter(DataLoader(data, batch_size=9)))[0].shape == (9, 3, 16, 32)


def test_a_subclass_that_gives_something_else_is_asked_for_each(tmp_path: Path) -> None:
    class Indexed(datasets.MNIST):
        def __getitem__(self, index: int) -> Any:
            return index, super().__getitem__(index)[0]

    mnist(tmp_path, None)
    index, pictures = next(iter(DataLoader(Indexed(tmp_path, transform=transforms.ToTensor()), batch_size=3)))
    assert index.tolist() == [0, 1, 2] and pictures.shape == (3, 1, 28, 28)


def test_who_stands_behind_the_door_sees_the_pictures_made(tmp_path: Path) -> None:
    class Seen(Interpreter):
        def __init__(self) -> None:
            self.ops: list[str] = []

        def apply(self, op: Any, args: Any, kwargs: Any) -> Any:
            self.ops.append(op.name)
            return super().apply(op, args, kwargs)

    data = mnist(tmp_path, KNOWN["normalised"]())
    with interpreter(Seen()) as seen:
        watched = next(iter(DataLoader(data, batch_size=2)))[0]
    assert {"true_divide", "sub_"} <= {*seen.ops}, seen.ops
    assert torch.equal(watched, next(iter(DataLoader(data, batch_size=2)))[0])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
def test_normalised_past_the_door_is_normalised(channels: int, dtype: Any) -> None:
    picture = torch.rand(2, channels, 5, 4).to(dtype)
    mean, std = [0.1307, 0.2, 0.5][:channels], (0.3081, 0.7, 2)[:channels]
    found = F.normalize(picture, mean, std)
    means, stds = (torch.tensor(value, dtype=dtype).view(-1, 1, 1) for value in (mean, std))
    assert found.dtype is dtype and torch.equal(found, (picture - means) / stds)
    learnt = picture.clone().requires_grad_()
    assert F.normalize(learnt, mean, std).requires_grad and torch.equal(F.normalize(learnt, mean, std), found)
    own = picture.clone()
    assert F.normalize(own, mean, std, inplace=True) is own and torch.equal(own, found)
    with pytest.raises(ValueError, match="division by zero"):
        F.normalize(picture, mean, [0.0] * channels)
    with pytest.raises(RuntimeError):
        F.normalize(picture, [0.1, 0.2], [1.0, 1.0]) if channels == 3 else F.normalize(picture, [0.1] * 2, [1.0] * 2)
