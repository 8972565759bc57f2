"""torchvision's names as pellucid answers them: data sets from files, transforms, grids, models."""

import gzip
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid as torch
from pellucid.bridge.torchvision import datasets, models, transforms, utils
from pellucid.bridge.torchvision.transforms import functional as F
from pellucid.bridge.torchvision.transforms import v2

Image = pytest.importorskip("PIL.Image")


def picture(height: int = 12, width: int = 10, channels: int = 3) -> Any:
    values = np.random.default_rng(0).integers(0, 256, (height, width, channels), dtype=np.uint8)
    return Image.fromarray(values if channels == 3 else values[:, :, 0])


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", [datasets.MNIST, datasets.FashionMNIST])
@pytest.mark.parametrize("below", [True, False])
def test_mnist_from_its_files(kind: Any, packed: bool, below: bool, tmp_path: Path) -> None:
    folder = tmp_path / kind.__name__ / "raw" if below else tmp_path
    folder.mkdir(parents=True, exist_ok=True)
    images = np.arange(3 * 28 * 28, dtype=np.uint8).reshape(3, 28, 28)
    for name, array in (("images-idx3", images), ("labels-idx1", np.array([7, 0, 2], np.uint8))):
        data = idx(array)
        path = folder / f"train-{name}-ubyte{'.gz' if packed else ''}"
        path.write_bytes(gzip.compress(data) if packed else data)
    found = kind(str(tmp_path), train=True, download=True, transform=transforms.ToTensor())
    assert len(found) == 3 and found[0][1] == 7 and found.targets.tolist() == [7, 0, 2]
    assert torch.equal(found[1][0], torch.from_numpy(images[1:2]) / 255)
    assert type(found.classes) is list and len(found.classes) == 10
    with pytest.raises(RuntimeError, match=r"t10k-images-idx3-ubyte.gz.*fetches nothing"):
        kind(str(tmp_path), train=False, download=True)


def test_cifar_from_its_files_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    data = np.random.default_rng(0).integers(0, 256, (2, 3072), dtype=np.uint8)
    (folder / "test_batch").write_bytes(pickle.dumps({"data": data, "labels": [3, 8]}, protocol=2))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": ["cat"] * 10}, protocol=2))
    found = datasets.CIFAR10(tmp_path, train=False, transform=transforms.ToTensor())
    assert found[1][1] == 8 and torch.equal(found[1][0], torch.from_numpy(data[1].reshape(3, 32, 32)) / 255)
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": Path("x")}, protocol=2))
    with pytest.raises(pickle.UnpicklingError, match="asks for pathlib"):
        datasets.CIFAR10(tmp_path, train=False)


def test_pictures_in_folders(tmp_path: Path) -> None:
    for name in ("dog", "cat"):
        (tmp_path / name).mkdir()
        picture().save(tmp_path / name / "1.png")
        (tmp_path / name / "notes.txt").write_text("")
    found = datasets.ImageFolder(str(tmp_path))
    assert found.classes == ["cat", "dog"] and found.targets == [0, 1] and found[1][0].size == (10, 12)


def test_fake_data_leaves_the_generator_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    made = datasets.FakeData(4, (3, 8, 8))
    first, again = made[1], made[1]
    assert first[0].tobytes() == again[0].tobytes() and first[1] == again[1]
    assert torch.equal(torch.rand(2), expected)


def test_to_tensor_and_back() -> None:
    for image in (picture(), picture(channels=1)):
        tensor = transforms.ToTensor()(image)
        assert tensor.dtype is torch.float32 and tensor.shape[1:] == (12, 10)
        assert transforms.ToPILImage()(tensor).tobytes() == image.tobytes()
    scaled = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])(picture())
    assert torch.equal(scaled, transforms.ToTensor()(picture()))


SAME_FOR_BOTH = {
    "hflip": F.hflip,
    "vflip": F.vflip,
    "crop": lambda img: F.crop(img, 2, 3, 5, 6),
    "crop beyond": lambda img: F.crop(img, -2, -3, 20, 20),
    "center_crop": lambda img: F.center_crop(img, 5),
    "center_crop of a larger": lambda img: F.center_crop(img, 15),
    "pad": lambda img: F.pad(img, [1, 2, 3, 4], 7),
    "pad reflect": lambda img: F.pad(img, 2, padding_mode="reflect"),
    "pad edge": lambda img: F.pad(img, [1, 2], padding_mode="edge"),
    "invert": F.invert,
}


@pytest.mark.parametrize("change", SAME_FOR_BOTH.values(), ids=SAME_FOR_BOTH.keys())
def test_a_change_is_the_same_for_pictures_and_tensors(change: Any) -> None:
    image = picture()
    assert torch.equal(F.pil_to_tensor(change(image)), change(F.pil_to_tensor(image)))


# What each draws, in torchvision's order: the reference is written out with the generator's functions.
def test_random_crop_and_flip_draw_as_torchvision_does() -> None:
    image = F.pil_to_tensor(picture())
    torch.manual_seed(5)
    top, left = int(torch.randint(0, 12 + 4 - 8 + 1, size=(1,))), int(torch.randint(0, 10 + 4 - 8 + 1, size=(1,)))
    flipped = bool(torch.rand(1) < 0.5)
    expected = F.crop(F.pad(image, 2), top, left, 8, 8)
    torch.manual_seed(5)
    found = transforms.Compose([transforms.RandomCrop(8, padding=2), transforms.RandomHorizontalFlip()])(image)
    assert torch.equal(found, expected.flip(-1) if flipped else expected)


@pytest.mark.parametrize(
    "transform",
    [
        transforms.RandomResizedCrop(6), transforms.RandomRotation(20),
        transforms.RandomAffine(5, (0.1, 0.1), (0.9, 1.1), 5),
        transforms.ColorJitter(0.3, 0.3, 0.3, 0.1), transforms.RandomGrayscale(0.5), transforms.GaussianBlur(3),
        transforms.Resize(6), transforms.Resize((5, 7)), transforms.Grayscale(3), transforms.RandomApply([F.vflip]),
        transforms.RandomChoice([F.hflip, F.vflip]), transforms.FiveCrop(4), transforms.RandomVerticalFlip(),
        transforms.RandomOrder([F.hflip, F.vflip]), transforms.RandomInvert(1.0),
    ],
    ids=lambda t: type(t).__name__,
)  # fmt: skip
def test_a_transform_repeats_itself_from_the_same_seed(transform: Any) -> None:
    results = []
    for _ in range(2):
        torch.manual_seed(1)
        import random

        random.seed(1)
        found = transform(picture())
        results.append([part.tobytes() for part in (found if isinstance(found, tuple) else (found,))])
    assert results[0] == results[1]


def test_make_grid_places_pictures_with_margins(tmp_path: Path) -> None:
    tiles = torch.arange(3 * 4, dtype=torch.float32).reshape(3, 1, 2, 2)
    grid = utils.make_grid(tiles, nrow=2, padding=1, pad_value=9)
    assert grid.shape == (3, 7, 7) and torch.equal(grid[0, 1:3, 4:6], tiles[1, 0]) and float(grid[0, 3, 3]) == 9
    assert torch.equal(grid[2, 4:6, 1:3], tiles[2, 0]) and float(grid[0, 5, 5]) == 9
    scaled = utils.make_grid(tiles, normalize=True, padding=0)
    assert float(scaled.min()) == 0 and float(scaled.max()) == 1
    utils.save_image(tiles / 11, tmp_path / "grid.png", nrow=2)
    assert np.asarray(Image.open(tmp_path / "grid.png")).shape == (10, 10, 3)


# The sizes that torchvision's documentation gives.
SIZES = {"resnet18": 11_689_512, "resnet50": 25_557_032, "mobilenet_v2": 3_504_872}


@pytest.mark.parametrize("name", SIZES)
def test_a_model_has_the_parameters_of_torchvisions(name: str) -> None:
    model = getattr(models, name)()
    assert sum(parameter.numel() for parameter in model.parameters()) == SIZES[name]
    with (
        pytest.warns(UserWarning, match="'pretrained' is deprecated since 0.13"),
        pytest.raises(RuntimeError, match="no trained weights"),
    ):
        getattr(models, name)(pretrained=True)


def test_an_older_argument_is_taken_with_torchvisions_warnings() -> None:
    with pytest.warns(UserWarning, match="deprecated since 0.13") as told:
        models.resnet18(pretrained=False)
    assert [str(warning.message)[:45] for warning in told] == [
        "The parameter 'pretrained' is deprecated sinc",
        "Arguments other than a weight enum or `None` ",
    ]


def test_names_and_shapes_of_models() -> None:
    model = models.resnet18(num_classes=3)
    names = list(model.state_dict())
    assert names[:3] == ["conv1.weight", "bn1.weight", "bn1.bias"] and "layer2.0.downsample.1.running_var" in names
    assert model(torch.ones(2, 3, 32, 32)).shape == (2, 3)
    names = list(models.mobilenet_v2().state_dict())
    assert "features.2.conv.0.0.weight" in names and names[-1] == "classifier.1.bias"


def test_pictures_are_read_and_written_as_bytes(tmp_path: Path) -> None:
    from pellucid.bridge.torchvision import io

    picture = torch.from_numpy(np.arange(60, dtype=np.uint8).reshape(3, 4, 5))
    io.write_png(picture, tmp_path / "p.png")
    assert torch.equal(io.read_image(str(tmp_path / "p.png")), picture)
    assert io.read_image(tmp_path / "p.png", io.ImageReadMode.GRAY).shape == (1, 4, 5)


def test_transforms_say_what_they_are_set_to() -> None:
    # As torchvision 0.29 prints them.
    assert repr(transforms.RandomRotation(10)) == (
        "RandomRotation(degrees=[-10.0, 10.0], interpolation=nearest, expand=False, fill=0)"
    )
    assert repr(transforms.RandomErasing(p=0.3)) == (
        "RandomErasing(p=0.3, scale=(0.02, 0.33), ratio=(0.3, 3.3), value=0, inplace=False)"
    )
    assert repr(transforms.RandomAffine(10, (0.1, 0.1))) == (
        "RandomAffine(degrees=[-10.0, 10.0], translate=(0.1, 0.1))"
    )
