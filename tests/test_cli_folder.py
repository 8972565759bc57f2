"""Folders of pictures from the command line: the data, augmentation, the networks, predictions."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw
from typer.testing import CliRunner

from pellucid import ones, zeros
from pellucid.cli.program import app
from pellucid.datasets import DataError, folder
from pellucid.datasets.image import read_picture
from pellucid.experiments import layers
from pellucid.nn import BatchNorm1d, BatchNorm2d, Dropout, MSELoss, ReLU, Sequential
from pellucid.optim import SGD
from pellucid.serialize import load
from pellucid.train import Augment, Learner


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def pellucid(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def trained(*arguments: object) -> Any:
    result = pellucid("train", *arguments, "--no-report")
    assert result.exit_code == 0, result.output
    return result


def shapes(root: str = "shapes", count: int = 20, mode: str = "RGB", seed: int = 0) -> Path:
    """Pictures of odd sizes: red discs and blue squares, or of other modes light and dark ones."""
    rng = np.random.default_rng(seed)
    for name, ink in (("discs", (220, 40, 40)), ("squares", (40, 40, 220))):
        (Path(root) / name).mkdir(parents=True)
        for k in range(count):
            width, height = (int(v) for v in rng.integers(20, 60, 2))
            image = Image.new("RGB", (width, height), "white")
            draw = ImageDraw.Draw(image)
            box = (width * 0.2, height * 0.2, width * 0.8, height * 0.8)
            (draw.ellipse if name == "discs" else draw.rectangle)(box, fill=ink)
            image.convert(mode).save(Path(root) / name / f"{k}.png")
    return Path(root)


# The data


def test_a_folder_for_each_class() -> None:
    root = shapes()
    (root / "notes.txt").write_text("not a class")
    (root / "discs" / "list.csv").write_text("no picture")
    (root / ".cache").mkdir()
    data = folder(root, size=16)
    assert data.x_val is not None and data.y_val is not None
    assert data.class_names == ("discs", "squares") and data.sample_shape == (3, 16, 16)
    assert np.bincount(data.y_train).tolist() == [16, 16] and np.bincount(data.y_val).tolist() == [4, 4]
    assert data.facts == {"size": 16, "files_that_are_no_pictures": 1}
    middle = data.x_train[:, :, 8, 8]
    red = np.array([220, 40, 40]) / 255
    np.testing.assert_allclose(middle[data.y_train == 0], np.broadcast_to(red, (16, 3)), atol=1e-3)


def test_parts_that_are_there_are_taken() -> None:
    shapes("all/train", 5)
    shapes("all/valid", 3, seed=1)
    shapes("all/test", 2, seed=2)
    data = folder("all")
    assert [len(part) for part in (data.x_train, data.x_val, data.x_test)] == [10, 6, 4]  # type: ignore[arg-type]
    (Path("all/valid/discs")).rename("all/valid/rings")
    with pytest.raises(DataError, match="valid has the class 'rings', and .*train has discs, squares"):
        folder("all")


@pytest.mark.parametrize("mode", ["L", "1", "I;16", "LA"])
def test_pictures_without_colour_have_one_channel(mode: str) -> None:
    root = shapes(mode="RGB" if mode == "I;16" else mode, count=3)
    if mode == "I;16":
        for file in root.rglob("*.png"):
            grey = np.asarray(Image.open(file).convert("L")).astype(np.uint16) * 257
            Image.fromarray(grey).save(file)
    data = folder(root, size=8)
    assert data.sample_shape == (1, 8, 8) and "grey" in data.description
    assert data.x_train.max() == pytest.approx(1) and data.x_train.min() < 0.5


def test_a_picture_is_turned_cut_to_its_middle_and_laid_on_white() -> None:
    wide = np.zeros((10, 30, 3), np.uint8)
    wide[:, 10:20] = [255, 0, 0]  # the middle is red, the ends black
    Image.fromarray(wide).save("wide.png")
    assert read_picture(Path("wide.png"), (10, 10), 3).tolist() == [
        np.full((10, 10), v).tolist() for v in (1.0, 0.0, 0.0)
    ]
    halves = np.zeros((16, 16), np.uint8)
    halves[:8] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # it is to be turned a quarter to the right: what was above is right
    Image.fromarray(halves).save("turned.png", exif=exif)
    (turned,) = read_picture(Path("turned.png"), (16, 16), 1)
    assert (turned[:, 8:] == 1).all() and (turned[:, :8] == 0).all()
    clear = np.zeros((8, 8, 4), np.uint8)
    Image.fromarray(clear).save("clear.png")
    assert (read_picture(Path("clear.png"), (8, 8), 3) == 1).all()


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda root: [file.unlink() for file in (root / "discs").iterdir()], "it holds only squares"),
        (lambda root: (root / "discs" / "bad.png").write_bytes(b"no"), r"bad\.png is no image that can be read"),
    ],
)
def test_what_is_no_folder_of_pictures_is_refused(spoil: Any, problem: str) -> None:
    root = shapes(count=2)
    spoil(root)
    with pytest.raises(DataError, match=problem):
        folder(root)


def test_a_damaged_picture_is_left_out_and_named() -> None:
    root = shapes(count=10)
    (root / "discs" / "bad.png").write_bytes(b"no")
    data = folder(root)
    assert len(data.x_train) + len(data.x_val) == 20  # type: ignore[arg-type]
    assert data.description.endswith("; 1 file left out that cannot be read: discs/bad.png".replace("/", os.sep))
    (root / "discs" / "old").mkdir()
    (root / "discs" / "0.png").rename(root / "discs" / "old" / "0.png")
    assert folder(root).description.endswith("; 1 in folders below those of the classes left out")
    for k in range(2):
        (root / "squares" / f"bad{k}.png").write_bytes(b"no")
    with pytest.raises(DataError, match=r"bad1\.png is no image that can be read.*Mend it, or remove it"):
        folder(root)


def test_a_folder_is_predicted_and_judged_by_its_folders() -> None:
    trained(shapes(count=8), "--size", 8, "--model", "logistic", "--epochs", 1, "--out", "run")
    result = pellucid("predict", "run", shapes("new", 3), "--out", "out.csv")
    assert result.exit_code == 0 and "of 6 right" in result.output, result.output
    assert len(Path("out.csv").read_text().splitlines()) == 7
    assert "right" not in pellucid("predict", "run", "new/discs").output
    Path("new/discs/bad.png").write_bytes(b"no")
    result = pellucid("predict", "run", "new")
    assert (
        result.exit_code == 0
        and "of 6 right" in result.output
        and "Left out: new/discs/bad.png is no image" in (result.output.replace(os.sep, "/"))
    )
    assert "bad.png is no image" in pellucid("predict", "run", "new/discs/bad.png").stderr
    Path("none").mkdir()
    assert "none holds no file to predict from" in pellucid("predict", "run", "none").stderr


# The networks


def kinds_in(found: list[Any]) -> list[type]:
    return [type(module) for module in Sequential(*found).modules()]


def test_norms_dropout_and_residual_blocks_are_where_they_are_asked_for() -> None:
    plain = kinds_in(layers.mlp((4,), [8, 8], 2, ReLU))
    assert not {BatchNorm1d, Dropout, layers.Residual} & set(plain)
    full = kinds_in(layers.mlp((4,), [8, 8], 2, ReLU, 0.1, batch_norm=True, residual=True))
    assert [full.count(kind) for kind in (BatchNorm1d, Dropout, layers.Residual)] == [2, 2, 2]
    assert kinds_in(layers.cnn((3, 8, 8), 2, ReLU, 0.0, batch_norm=True)).count(BatchNorm2d) == 2
    resnet = Sequential(*layers.resnet((3, 9, 12), 5, ReLU))
    assert tuple(resnet(zeros(2, 3, 9, 12)).shape) == (2, 5)


def test_a_residual_block_adds_what_goes_into_it() -> None:
    (block, _) = layers.mlp((3,), [3], 2, ReLU, residual=True)
    x = ones(2, 3)
    np.testing.assert_array_equal(block(x).detach().numpy(), (x + block.inside(x)).detach().numpy())


# Augmentation


class Seen(Augment):
    def before_batch(self, learner: Any) -> None:
        self.before = learner.inputs.numpy()
        super().before_batch(learner)
        self.after = learner.inputs.numpy()


def seen(shift: float, flip: bool) -> Seen:
    from pellucid import from_numpy, nn

    x = from_numpy(np.random.default_rng(0).random((8, 2, 5, 6)).astype(np.float32))
    model = nn.Sequential(nn.Flatten(), nn.Linear(60, 1))
    augment = Seen(shift, flip, seed=1)
    Learner(model, [(x, zeros(8, 1))], MSELoss(), SGD(model.parameters(), lr=0.1), callbacks=[augment]).fit(1)
    return augment


def test_augmentation_mirrors_half_of_the_pictures_and_moves_them() -> None:
    flipped = seen(0.0, True)
    mirrored = [np.array_equal(a, b[..., ::-1]) for a, b in zip(flipped.after, flipped.before, strict=True)]
    same = [np.array_equal(a, b) for a, b in zip(flipped.after, flipped.before, strict=True)]
    assert any(mirrored) and any(same) and all(a != b for a, b in zip(mirrored, same, strict=True))
    moved = seen(0.4, False)  # by up to 2 pixels each way
    for a, b in zip(moved.after, moved.before, strict=True):
        padded = np.pad(b, ((0, 0), (2, 2), (2, 2)), mode="edge")
        assert any(np.array_equal(a, padded[:, i : i + 5, j : j + 6]) for i in range(5) for j in range(5))
    assert not np.array_equal(moved.after, moved.before)


def test_augmentation_refuses_what_is_no_picture() -> None:
    with pytest.raises(ValueError, match="from 0 to below 1"):
        Augment(1.0)
    result = pellucid("train", "circle", "--augment")
    assert result.exit_code == 2 and "--augment belongs to digits or mnist or a folder of pictures" in result.stderr


# Runs


@pytest.mark.slow
def test_a_folder_is_learned_predicted_and_resumed() -> None:
    shapes()
    how = ("--size", 12, "--epochs", 4, "--augment", "--batch-norm", "--schedule", "constant", "--batch-size", 8)
    trained("shapes", *how, "--out", "whole")
    summary = json.loads(Path("whole/summary.json").read_text())
    assert summary["val_accuracy"] >= 0.75
    trained("shapes", *how[:2], "--epochs", 2, *how[4:], "--out", "run")
    trained("--resume", "run", "--epochs", 4)
    whole, run = load("whole/model.safetensors"), load("run/model.safetensors")
    assert all(bool((whole[name] == run[name]).all()) for name in whole)
    Path("shapes").rename("moved")  # the network needs no data to predict
    result = pellucid("predict", "whole", "moved/discs/0.png", "moved/squares/0.png", "--out", "said.csv")
    assert result.exit_code == 0, result.output
    assert len(Path("said.csv").read_text().splitlines()) == 3


@pytest.mark.slow
@pytest.mark.parametrize("how", [("resnet",), ("mlp:16,16", "--residual", "--batch-norm", "--dropout", 0.1), ("cnn",)])
def test_each_network_learns_a_folder(how: tuple[object, ...]) -> None:
    shapes()
    trained("shapes", "--size", 12, "--epochs", 8, "--lr", 0.005, "--batch-size", 8, "--out", "run", "--model", *how)
    assert json.loads(Path("run/summary.json").read_text())["val_accuracy"] >= 0.75


@pytest.mark.slow
def test_the_report_shows_coloured_pictures() -> None:
    shapes()
    result = pellucid("train", "shapes", "--epochs", 1, "--out", "run")
    page = Path("run/report.html").read_text(encoding="utf-8")
    assert result.exit_code == 0 and "40 coloured pictures of 2 classes" in page and 'alt="image labelled discs' in page


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["/absent/folder"], "there is no folder /absent/folder"),
        (["digits", "--size", 9], "--size belongs to a folder of pictures"),
        (["digits", "--model", "logistic", "--dropout", 0.1], "--dropout belongs to mlp, cnn, resnet, lstm and"),
        (["digits", "--model", "cnn", "--residual"], "--residual belongs to mlp and resnet, not to cnn"),
        (["circle", "--model", "resnet"], "--model resnet needs images"),
    ],
)
def test_what_cannot_be_is_refused_with_a_way_out(arguments: list[object], problem: str) -> None:
    result = pellucid("train", *arguments)
    assert result.exit_code == 2 and problem in result.stderr, result.output
