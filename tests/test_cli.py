"""`pellucid train`: what it leaves behind, and what it says when something cannot be done."""

import csv
import gzip
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from pellucid.cli.program import app
from pellucid.experiments.errors import UsageError
from pellucid.experiments.models import normal_model
from pellucid.experiments.options import check, complete
from pellucid.experiments.report import gather, write_curves
from pellucid.train import RunFolder
from tests.sampled import sampled

PETS = "weight,fur,kind,price\n" + "".join(
    f"{w},{f},{k},{p}\n"
    for i in range(20)
    for w, f, k, p in [(4 + i % 3, "long", "cat", 100.5 + i), (20 + i, "short", "dog", 300.25 - i)]
)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test in a folder of its own: the command writes to runs/ where it is called."""
    monkeypatch.chdir(tmp_path)


def pellucid(*arguments: object) -> Any:
    """The program's answer. Its page about the run takes a second, and has tests of its own (test_report.py)."""
    words = [str(argument) for argument in arguments]
    return CliRunner().invoke(app, [*words, "--no-report"] if words[0] == "train" and "-h" not in words else words)


def trained(*arguments: object, out: str = "run") -> Path:
    result = pellucid("train", *arguments, "--out", out)
    assert result.exit_code == 0, result.output
    return Path(out)


def write(name: str, text: str) -> Path:
    Path(name).write_text(text)
    return Path(name)


# What a run leaves


@pytest.mark.learns
def test_the_run_folder() -> None:
    run = trained("digits", "--epochs", 2)
    assert sorted(path.name for path in run.iterdir()) == [
        "activations.npz",
        "checkpoints",
        "config.json",
        "environment.json",
        "gradients.npz",
        "history.csv",
        "model.safetensors",
        "summary.json",
    ]
    summary = json.loads((run / "summary.json").read_text())
    assert list(summary) == [
        "train_loss",
        "val_loss",
        "val_accuracy",
        "chance_accuracy",
        "chance_loss",
        "first_val_loss",
        "first_val_accuracy",
        "epochs",
        "steps",
        "seconds",
        "seed",
        "parameters",
    ]
    assert (summary["epochs"], summary["steps"], summary["seed"], summary["parameters"]) == (2, 90, 0, 4810)
    assert summary["val_accuracy"] > 0.6
    rows = list(csv.DictReader((run / "history.csv").read_text().splitlines()))
    assert [row["kind"] for row in rows].count("epoch") == 2
    assert float(rows[-1]["val_loss"]) == summary["val_loss"]
    assert [path.name for path in sorted((run / "checkpoints").iterdir())] == [
        "best.safetensors",
        "epoch-0000-step-00000000.safetensors",
        "epoch-0001-step-00000045.safetensors",
        "epoch-0002-step-00000090.safetensors",
    ]
    config = json.loads((run / "config.json").read_text())
    assert config["config"]["model"] == "mlp:64"
    assert config["data"]["train"] == 1438


def test_the_model_can_be_loaded_elsewhere() -> None:
    from safetensors.numpy import load_file

    run = trained("digits", "--epochs", 1, "--model", "mlp:5")
    shapes = {name: array.shape for name, array in load_file(run / "model.safetensors").items()}
    assert shapes == {"1.weight": (5, 64), "1.bias": (5,), "3.weight": (10, 5), "3.bias": (10,)}


def test_the_curves_are_a_picture() -> None:
    from matplotlib.image import imread

    folder = RunFolder(trained("moons", "--epochs", 2))
    write_curves(gather(folder), folder.curves)
    picture = imread(folder.curves)
    assert picture.shape[:2] == (720, 1600)
    assert picture[..., :3].std() > 0.05


def test_the_end_of_a_run_says_what_came_out_and_how_to_go_on() -> None:
    result = pellucid("train", "digits", "--epochs", 1, "--out", "run")
    for words in ("val accuracy", "parameters", "4,810", "Run folder: run", "pellucid train --resume run --epochs 2"):
        assert words in result.stdout
    assert "samples/s" not in result.stdout  # no progress bar where there is no terminal


NOISE = {
    "classes": lambda rng: rng.choice(["x", "y"], p=[0.7, 0.3]),
    "a real target": lambda rng: f"{rng.normal():.4f}",
}


@pytest.mark.parametrize("kind", sampled(NOISE, 2))
def test_a_run_that_did_not_learn_says_so(kind: str) -> None:
    """Beside what chance gets, and on its page; not where a rare class is known long before an answer changes."""
    rng = np.random.default_rng(0)
    rows = [f"{rng.normal():.4f},{rng.normal():.4f},{NOISE[kind](rng)}" for _ in range(400)]
    Path("noise.csv").write_text("\n".join(["a,b,target", *rows]))
    result = pellucid("train", "noise.csv", "--target", "target", "--epochs", 3, "--out", "run")
    assert "It did not learn: " in result.stdout
    assert pellucid("report", "run").exit_code == 0
    page = Path("run/report.html").read_text(encoding="utf-8")
    assert ">did not learn</span>" in page and "It did not learn: " in page
    learned = pellucid("train", "moons", "--epochs", 2, "--out", "moons")
    assert "did not learn" not in learned.stdout


LUCKY = {"chance_accuracy": 0.5, "first_val_accuracy": 0.7, "first_val_loss": 0.66}
RARE = {"val_accuracy": 0.9, "chance_accuracy": 0.95, "chance_balanced_accuracy": 0.5}


@pytest.mark.parametrize(
    ("figures", "learned"),
    [
        ({"val_accuracy": 0.95, "chance_accuracy": 0.95, "chance_loss": 0.2, "val_loss": 0.1}, True),
        ({"val_accuracy": 0.95, "chance_accuracy": 0.95, "chance_loss": 0.2, "val_loss": 0.2}, False),
        ({"val_accuracy": 0.55, "chance_accuracy": 0.5, "val_loss": 0.6}, False),
        ({"val_accuracy": 0.7, "chance_accuracy": 0.5, "val_loss": 0.6}, True),
        ({"val_accuracy": 1.0, "chance_accuracy": 1.0, "val_loss": 0.6}, True),
        (LUCKY | {"val_accuracy": 0.7, "val_loss": 0.66}, False),  # it is where it began
        (LUCKY | {"val_accuracy": 0.72, "val_loss": 0.9}, False),  # and within chance of it
        (LUCKY | {"val_accuracy": 0.7, "val_loss": 0.5}, True),
        (LUCKY | {"val_accuracy": 0.9, "val_loss": 3.0}, True),  # sure of what is wrong, but mostly right
        ({"val_r2": 0.3, "first_val_r2": 0.3, "val_loss": 0.7, "first_val_loss": 0.7}, False),
        ({"val_r2": 0.9, "first_val_r2": 0.3, "val_loss": 0.1, "first_val_loss": 0.7}, True),
        ({"val_accuracy": 0.2, "chance_accuracy": 0.15, "judged": 6000, "val_loss": 0.6}, True),
        ({"val_accuracy": 0.2, "chance_accuracy": 0.15, "val_loss": 0.6}, False),
        (RARE | {"val_balanced_accuracy": 0.8, "judged": 20}, True),
        (RARE | {"val_balanced_accuracy": 0.6, "judged": 20}, False),
        ({"val_r2": 0.1}, True),
        ({"val_r2": -0.1}, False),
        ({}, True),
    ],
)
def test_what_counts_as_having_learned(figures: dict[str, float], learned: bool) -> None:
    from pellucid.experiments.baseline import unlearned

    assert (unlearned(figures, 100) == "") == learned


def test_chance_is_not_told_as_certain_where_few_samples_judge() -> None:
    from pellucid.experiments.baseline import unlearned

    told = unlearned({"val_accuracy": 0.0, "chance_accuracy": 0.0}, 3)
    assert "give or take 0.0%" not in told and "gets 0.0%, give or take" in told


def test_quiet_prints_the_folder_alone() -> None:
    result = pellucid("train", "digits", "--epochs", 1, "--quiet")
    assert re.fullmatch(r"runs/digits-mlp-64-\d{8}-\d{6}\n", result.stdout.replace("\\", "/"))
    assert Path(result.stdout.strip()).is_dir()


def test_digits_is_the_default() -> None:
    result = pellucid("train", "--epochs", 1, "--quiet")
    assert result.stdout.startswith("runs")
    assert "digits" in result.stdout


def test_two_runs_in_one_second_have_folders_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.strftime", lambda form: "now")
    folders = [pellucid("train", "moons", "--epochs", 1, "--quiet").stdout.strip() for _ in range(3)]
    assert [Path(folder).name for folder in folders] == [
        "moons-mlp-32-32-now",
        "moons-mlp-32-32-now-2",
        "moons-mlp-32-32-now-3",
    ]


@pytest.mark.learns
@pytest.mark.parametrize(
    "arguments",
    [
        ("--model", "logistic"),
        ("--model", "mlp:16,8", "--activation", "gelu"),
        ("--model", "cnn", "--optimizer", "adamw", "--batch-size", 128),
        ("--loss", "mse", "--activation", "sigmoid"),
        ("--loss", "quadratic"),
        ("--loss", "bce", "--activation", "tanh"),
        ("--schedule", "cosine", "--lr", 0.005),
        ("--optimizer", "sgd", "--lr", 0.05, "--momentum", 0.9, "--weight-decay", 1e-4),
        *(("--activation", name) for name in ("silu", "leaky-relu", "elu")),
    ],
    ids=lambda arguments: " ".join(map(str, arguments)),
)
def test_every_option_trains(arguments: tuple[object, ...]) -> None:
    """Two epochs on the digits take the training loss well below that of the first ten steps."""
    run = trained("digits", "--epochs", 2, *arguments)
    rows = list(csv.DictReader((run / "history.csv").read_text().splitlines()))
    losses = [float(row["train_loss"]) for row in rows if row["kind"] == "step"]
    assert losses[-1] < losses[0]


@pytest.mark.learns
@pytest.mark.parametrize(("dataset", "accuracy"), [("circle", 0.9), ("moons", 0.95), ("spirals", 0.8)])
@pytest.mark.parametrize("loss", ["cross-entropy", "bce"])
def test_points(dataset: str, accuracy: float, loss: str) -> None:
    run = trained(dataset, "--loss", loss, "--epochs", 12)
    assert json.loads((run / "summary.json").read_text())["val_accuracy"] > accuracy


def test_two_classes_and_bce_have_one_output() -> None:
    run = trained("moons", "--loss", "bce", "--model", "logistic", "--epochs", 1)
    assert json.loads((run / "summary.json").read_text())["parameters"] == 3


@pytest.mark.slow
@pytest.mark.learns
def test_circle_by_its_defaults() -> None:
    run = trained("circle", "--balance", 0.5)
    assert json.loads((run / "summary.json").read_text())["val_accuracy"] > 0.98
    assert json.loads((run / "config.json").read_text())["data"]["facts"]["balance"] == pytest.approx(0.5, abs=2e-4)


def test_balance_reaches_the_data() -> None:
    run = trained("circle", "--balance", 0.25, "--epochs", 1)
    assert json.loads((run / "config.json").read_text())["data"]["facts"]["balance"] == pytest.approx(0.25, abs=2e-4)


@pytest.mark.learns
def test_classes_from_a_csv_file() -> None:
    run = trained(write("pets.csv", PETS), "--target", "kind", "--epochs", 20)
    assert json.loads((run / "summary.json").read_text())["val_accuracy"] == 1.0


@pytest.mark.learns
def test_a_real_target_from_a_csv_file() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 2))
    lines = [f"{a},{b},{500 + 30 * a - 10 * b}" for a, b in x]
    run = trained(write("plane.csv", "\n".join(["a,b,height", *lines])), "--target", "height")
    summary = json.loads((run / "summary.json").read_text())
    assert list(summary) == [
        "train_loss",
        "val_loss",
        "val_r2",
        "val_mae",
        "chance_mae",
        "first_val_loss",
        "first_val_r2",
        "epochs",
        "steps",
        "seconds",
        "seed",
        "parameters",
    ]
    assert summary["val_r2"] > 0.98
    assert summary["val_mae"] < 3.5  # in the units of the file, where the target's deviation is 31.6


def test_mnist_files_of_ones_own() -> None:
    write_idx(Path("mnist"))
    run = trained("mnist", "--data", "mnist", "--epochs", 1, "--model", "logistic", "--val-fraction", 0.25)
    summary = json.loads((run / "summary.json").read_text())
    names = ["train_loss", "val_loss", "val_accuracy", "chance_accuracy", "chance_loss", "test_accuracy"]
    assert list(summary)[:6] == names
    assert abs(summary["chance_loss"] - np.log(10)) < 0.2


def write_idx(folder: Path, labels: int = 60) -> None:
    """Files in the format of MNIST, of noise."""
    rng = np.random.default_rng(0)
    folder.mkdir()

    def idx(array: np.ndarray) -> bytes:
        head = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
        return head + array.tobytes()

    for part, count in (("train", labels), ("t10k", 20)):
        images = rng.integers(0, 256, (60 if part == "train" else 20, 28, 28), dtype=np.uint8)
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images)))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(idx(rng.integers(0, 10, count, dtype=np.uint8)))


def test_a_run_is_the_same_again_and_another_seed_another() -> None:
    first, two, three = (
        trained("digits", "--epochs", 1, "--model", "cnn", "--batch-size", 128, "--seed", seed, out=f"run{i}")
        for i, seed in enumerate((3, 3, 4))
    )
    assert (first / "model.safetensors").read_bytes() == (two / "model.safetensors").read_bytes()
    assert (first / "model.safetensors").read_bytes() != (three / "model.safetensors").read_bytes()


# Resuming (interrupted runs are in test_cli_interrupt.py)


def test_a_finished_run_is_extended() -> None:
    whole = trained("digits", "--epochs", 3, out="whole")
    trained("digits", "--epochs", 1, out="part")
    result = pellucid("train", "--resume", "part", "--epochs", 3)
    assert result.exit_code == 0, result.output
    assert_equal_runs(whole, Path("part"))
    assert json.loads(Path("part/config.json").read_text())["config"]["epochs"] == 3


def test_a_complete_run_resumed_stays_as_it_is() -> None:
    run = trained("digits", "--epochs", 1)
    before = {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}
    assert pellucid("train", "--resume", run).exit_code == 0
    assert {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()} == before


def test_a_damaged_checkpoint_is_passed_over_and_named() -> None:
    whole, part = trained("digits", "--epochs", 2, out="whole"), trained("digits", "--epochs", 2, out="part")
    last = part / "checkpoints" / "epoch-0002-step-00000090.safetensors"
    last.write_bytes(last.read_bytes()[:-100])
    result = pellucid("train", "--resume", part)
    assert result.exit_code == 0
    assert "epoch-0002-step-00000090" in result.stdout and "passed over" in result.stdout
    assert_equal_runs(whole, part)


def test_a_run_killed_before_its_first_checkpoint_starts_again() -> None:
    whole, part = trained("moons", "--epochs", 1, out="whole"), trained("moons", "--epochs", 1, out="part")
    for path in [*(part / "checkpoints").iterdir(), part / "summary.json", part / "model.safetensors"]:
        path.unlink()
    assert pellucid("train", "--resume", part).exit_code == 0
    assert_equal_runs(whole, part)


def assert_equal_runs(first: Path, other: Path) -> None:
    assert (first / "model.safetensors").read_bytes() == (other / "model.safetensors").read_bytes()
    rows = [list(csv.DictReader((run / "history.csv").read_text().splitlines())) for run in (first, other)]
    for row in (*rows[0], *rows[1]):
        del row["seconds"]
    assert rows[0] == rows[1]
    summaries = [json.loads((run / "summary.json").read_text()) for run in (first, other)]
    for summary in summaries:
        del summary["seconds"]
    assert summaries[0] == summaries[1]


# Errors


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["digit"], "Unknown data set 'digit'. Did you mean digits?"),
        (["minst"], "Did you mean mnist?"),
        (["imagenet"], "There are: digits, mnist, circle, moons, spirals and the path of a CSV file"),
        (["missing.csv", "--target", "y"], "missing.csv"),
        (["pets.csv"], "--target COLUMN"),
        (["pets.csv", "--target", "kid"], "kind"),
        (["pets.csv", "--target", "price", "--loss", "cross-entropy"], "--loss mse"),
        (["bad.csv", "--target", "kind"], "row 4"),
        (["bad.csv", "--target", "kind"], "weight"),
        (["pets.csv", "--target", "kind", "--model", "cnn"], "needs images"),
        (["digits", "--target", "kind"], "--target belongs to a CSV file"),
        (["digits", "--data", "x"], "--data belongs to mnist"),
        (["digits", "--balance", "0.5"], "--balance belongs to circle"),
        (["circle", "--balance", "0.9"], "0.785"),
        (["mnist", "--data", "nowhere"], "nowhere"),
        (["mnist", "--data", "incomplete"], "t10k-labels-idx1-ubyte"),
        (["mnist", "--data", "truncated"], "train-images-idx3-ubyte.gz"),
        (["mnist", "--data", "mismatched"], "do not belong together"),
        (["digits", "--model", "mlp:x"], "Write for example --model mlp:128,64"),
        (["digits", "--model", "mlp:"], "whole numbers above 0"),
        (["digits", "--model", "mlp:0"], "whole numbers above 0"),
        (["digits", "--model", "mlp:8,,8"], "whole numbers above 0"),
        (["digits", "--model", "mlp:"], "mlp:128,64"),
        (["digits", "--model", "cnn:3"], "Write --model cnn"),
        (["digits", "--model", "vgg"], "There are: logistic, mlp:128,64, cnn"),
        (["circle", "--model", "cnn"], "needs images"),
        (["digits", "--activation", "rel"], "Did you mean relu?"),
        (["digits", "--loss", "cross-entorpy"], "Did you mean cross-entropy?"),
        (["digits", "--optimizer", "adamm"], "Did you mean adam?"),
        (["digits", "--device", "tpu"], "Unknown device 'tpu'"),
        (["digits", "--lr", "-0.1"], "--lr is -0.1; it must be a number above 0"),
        (["digits", "--lr", "0"], "--lr is 0.0"),
        (["digits", "--lr", "nan"], "--lr is nan"),
        (["digits", "--lr", "inf"], "--lr is inf"),
        (["digits", "--lr", "fast"], "--lr"),
        (["digits", "--momentum", "1"], "--momentum is 1.0"),
        (["digits", "--momentum", "0.9"], "--momentum belongs to muon, rmsprop and sgd"),
        (["digits", "--weight-decay", "-1"], "--weight-decay is -1.0"),
        (["digits", "--batch-size", "0"], "--batch-size is 0"),
        (["digits", "--epochs", "0"], "--epochs is 0"),
        (["digits", "--val-fraction", "0"], "--val-fraction is 0.0"),
        (["digits", "--val-fraction", "1"], "--val-fraction is 1.0"),
        (["digits", "--val-fraction", "0.0001"], "1797"),
        (["digits", "--seed", "-1"], "--seed is -1"),
        (["digits", "--log-every", "0"], "--log-every is 0"),
        (["digits", "--lern-rate", "1"], "--lern-rate"),
        (["digits", "--out", "pets.csv"], "is a file"),
        (["digits", "--out", "pets.csv/run"], "is a file"),
        (["digits", "--out", "incomplete"], "is not empty and holds no run"),
        (["digits", "--out", "run"], "run holds a finished run already"),
        (["nothere.csv"], "There is no file nothere.csv to train on"),
        (["--resume", "nowhere"], "There is no folder nowhere"),
        (["--resume", "incomplete"], "holds no run"),
        (["--resume", "run", "--out", "x"], "exclude each other"),
        (["mnist", "--resume", "run"], "The data set is mnist, but the run in run was made with digits"),
        (["--resume", "run", "--model", "cnn"], "--model is cnn, but the run in run was made with mlp:4"),
        (["--resume", "run", "--lr", "0.5"], "--lr is 0.5, but the run in run was made with 0.001"),
        (["--resume", "run", "--epochs", "1"], "has done 2 epochs already"),
        (["--resume", "cosine", "--epochs", "3"], "spreads its learning rate over 2 epochs (cosine)"),
        (["digits", "--schedule", "cosin"], "Did you mean cosine?"),
        (["--resume", "swapped"], "is of another model"),
        (["--resume", "torn"], "no whole checkpoint"),
        (["--resume", "garbled"], "cannot be read"),
        (["--resume", "foreign"], "another version of pellucid"),
        (["--resume", "mistyped"], "where a number was expected"),
        (["--resume", "changed"], "their checksum differs"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_errors(arguments: list[str], words: str, bench: None) -> None:
    """Exit code 2, one sentence with what to do, no traceback; and nothing is made or changed."""
    before = sorted(Path().rglob("*"))
    result = pellucid("train", *arguments)
    assert result.exit_code == 2, result.output
    assert words in " ".join(result.stderr.split())
    assert "Traceback" not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert sorted(Path().rglob("*")) == before


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run folders, whole and not, that the errors are about."""
    import os

    folder, here = tmp_path_factory.mktemp("runs"), Path.cwd()
    os.chdir(folder)
    try:
        for name in ("run", "swapped", "torn", "garbled", "foreign", "mistyped"):
            trained("digits", "--epochs", 2, "--model", "mlp:4", out=name)
        trained("digits", "--epochs", 2, "--model", "mlp:4", "--schedule", "cosine", out="cosine")
        write("changed.csv", PETS)
        trained("changed.csv", "--target", "kind", "--epochs", 1, out="changed")
        write("changed.csv", PETS.replace("21,", "22,"))
        config = Path("changed/config.json")
        config.write_text(config.read_text().replace(json.dumps(str(Path("changed.csv").absolute())), '"CHANGED"'))
    finally:
        os.chdir(here)
    return folder


@pytest.fixture
def bench(runs: Path, tmp_path: Path) -> None:
    """What the errors are about, in the folder of the test."""
    import shutil

    shutil.copytree(runs, tmp_path, dirs_exist_ok=True)
    write("pets.csv", PETS)
    write("bad.csv", PETS.replace("5,long", "heavy,long", 1))
    config = Path("changed/config.json")
    config.write_text(config.read_text().replace('"CHANGED"', json.dumps(str(Path("changed.csv").absolute()))))
    own = Path("swapped/config.json")
    own.write_text(own.read_text().replace("mlp:4", "mlp:5"))
    typed = Path("mistyped/config.json")
    typed.write_text(typed.read_text().replace('"lr": 0.001', '"lr": "much"'))
    for path in Path("torn/checkpoints").iterdir():
        path.write_bytes(path.read_bytes()[:200])
    write("garbled/config.json", "{")
    write("foreign/config.json", '{"config": {"dataset": "digits"}}')
    for name in ("incomplete", "truncated", "mismatched"):
        write_idx(Path(name), labels=59 if name == "mismatched" else 60)
    Path("incomplete/t10k-labels-idx1-ubyte").unlink()
    images = Path("truncated/train-images-idx3-ubyte.gz")
    images.write_bytes(images.read_bytes()[:5000])


def test_no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("pellucid.datasets.handwritten.cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr("pellucid.datasets.handwritten.MIRRORS", ("http://127.0.0.1:9/",))
    result = pellucid("train", "mnist")
    assert result.exit_code == 2
    assert "Check the network connection" in result.stderr and "--data DIR" in result.stderr


def test_no_cupy(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "cupy", None)
    result = pellucid("train", "digits", "--device", "cuda")
    assert result.exit_code == 2
    assert "--device cuda cannot be used" in result.stderr and "pellucid[gpu]" in result.stderr
    assert not Path("runs").exists()


def test_a_disk_that_fills_up(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    fsync, calls = os.fsync, []

    def full(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) > 10:
            raise OSError(28, "No space left on device", "history.csv")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    result = pellucid("train", "digits", "--epochs", 5, "--out", "run")
    assert result.exit_code == 2
    assert "No space left on device" in result.stderr
    monkeypatch.undo()


def test_a_loss_that_becomes_nan_stops_the_run() -> None:
    result = pellucid("train", "digits", "--optimizer", "sgd", "--lr", "1e20", "--out", "run")
    assert result.exit_code == 1
    assert re.search(r"at step \d+ \(epoch 1\)", result.stderr)
    assert "linear is the first op" in result.stderr and "in the layer 3: Linear" in result.stderr
    assert "typer" not in result.stderr
    assert "--lr 0.1" in result.stderr  # not a tenth of what is far out of all bounds
    assert "Traceback" not in result.output
    assert {"history.csv", "model.safetensors"} <= {path.name for path in Path("run").iterdir()}
    assert not Path("run/summary.json").exists()
    again = pellucid("train", "--resume", "run")  # the same state leads to the same end
    assert again.exit_code == 1
    assert re.findall(r"at step \d+", again.stderr) == re.findall(r"at step \d+", result.stderr)


# The options


@pytest.mark.parametrize(
    ("text", "normal"),
    [("mlp:128, 64", "mlp:128,64"), ("MLP:8", "mlp:8"), ("Logistic", "logistic"), ("mlp:007", "mlp:7")],
)
def test_models_have_one_spelling(text: str, normal: str) -> None:
    assert normal_model(text) == normal


def test_a_full_width_digit_is_no_size() -> None:
    with pytest.raises(UsageError):
        normal_model("mlp:１２")


@pytest.mark.parametrize("dataset", ["digits", "mnist", "circle", "moons", "spirals"])
def test_every_data_set_has_defaults(dataset: str) -> None:
    config = complete(check({"dataset": dataset}), 10)
    assert config.epochs >= 1 and config.lr > 0 and config.loss == "cross-entropy"


def test_an_optimiser_brings_its_own_rate() -> None:
    def given(**options: Any) -> Any:
        return complete(check({"dataset": "circle", **options}), 2)

    assert given().lr == given(optimizer="adam").lr == 0.002
    assert given(optimizer="sgd").lr == 0.1
    assert given(optimizer="adamw").lr == 0.001
    assert given(optimizer="adamw").weight_decay == 0.01
    assert given(optimizer="sgd", lr=0.7).lr == 0.7


def test_help_has_every_option_and_an_example() -> None:
    text = " ".join(re.sub(r"\x1b\[[\d;]*m|[│╭╮╰╯─]", " ", pellucid("train", "--help").output).split())
    for option in (
        "--target --data --balance --model --activation --loss --optimizer --lr --momentum --weight-decay --schedule "
        "--batch-size --epochs --val-fraction --seed --device --log-every --out --resume --quiet"
    ).split():
        assert option in text
    assert "Example: pellucid train mnist --model cnn --epochs 3" in text


def test_version() -> None:
    from pellucid.version import __version__

    assert pellucid("--version").stdout.strip() == f"pellucid {__version__}"


def test_the_command_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import pellucid_command

    real = pellucid_command.find_spec
    hidden = {"rich", "typer"}
    monkeypatch.setattr(pellucid_command, "find_spec", lambda name, *_: None if name in hidden else real(name))
    with pytest.raises(SystemExit) as caught:
        pellucid_command.main()
    assert caught.value.code == 2
    assert "needs typer, rich" in capsys.readouterr().err
