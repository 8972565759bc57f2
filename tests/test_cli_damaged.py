"""Run folders whose files are damaged, or hold what pellucid never wrote: each command says so in a sentence."""

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from pellucid.cli.program import app
from pellucid.train.files.checkpoint import checkpoint_files

DEEP = b"[" * 100_000 + b"]" * 100_000
GARBAGE = bytes(range(256)) * 3


def pellucid(*words: object) -> Any:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "whole"
    assert pellucid("train", "moons", "--epochs", 1, "--no-report", "--out", folder).exit_code == 0
    return folder


COMMANDS: dict[str, Callable[[Path], list[object]]] = {
    "report": lambda run: ["report", run, "--out", "page.html"],
    "predict": lambda run: ["predict", run, "points.csv"],
    "resume": lambda run: ["train", "--resume", run, "--no-report"],
    "compare": lambda run: ["compare", run, run, "--out", "curves.png"],
}


def changed(*path: str, to: Any) -> Callable[[bytes], bytes]:
    """config.json with another value at a path."""

    def change(content: bytes) -> bytes:
        whole = json.loads(content)
        place = whole
        for name in path[:-1]:
            place = place[name]
        place[path[-1]] = to
        return json.dumps(whole).encode()

    return change


def archive(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :]


DAMAGES: list[tuple[str, str, Callable[[bytes], bytes]]] = [
    ("config.json", "nested deeply", lambda _: DEEP),
    ("config.json", "garbage", lambda _: GARBAGE),
    ("config.json", "a list", lambda _: b"[]"),
    ("config.json", "empty", lambda _: b""),
    ("config.json", "its parts are lists", lambda _: b'{"config": [], "data": []}'),
    ("config.json", "its parts are numbers", lambda _: b'{"config": 3, "data": 4}'),
    *(
        ("config.json", f"{'.'.join(path)} = {value!r}", changed(*path, to=value))
        for path, value in [
            (("config", "lr"), "fast"),
            (("config", "epochs"), None),
            (("config", "model"), []),
            (("config", "callback"), "ema"),
            (("config", "dataset"), {}),
            (("data", "classes"), {}),
            (("data", "sample_shape"), [-1]),
            (("data", "sample_shape"), "x"),
            (("data", "facts"), []),
            (("data", "facts", "feature_mean"), "x"),
            (("data", "facts", "feature_std"), [1.0, 2.0, 3.0]),
        ]
    ),
    ("history.csv", "no column kind", lambda content: content.replace(b"kind", b"sort", 1)),
    ("history.csv", "not UTF-8", lambda content: content.replace(b"epoch", b"\xe9\xff", 2)),
    ("history.csv", "too many cells", lambda content: content.replace(b"\n", b",1,2\n")),
    ("history.csv", "too few cells", lambda _: b"kind,epoch,step\nstep\n"),
    ("history.csv", "a huge cell", lambda _: b"kind,epoch,step\nstep,1," + b"9" * 200_000),
    ("history.csv", "no numbers", lambda _: b"kind,epoch,step,val_loss\nepoch,nan,inf,x\n"),
    ("history.csv", "empty", lambda _: b""),
    ("summary.json", "a list", lambda _: b"[]"),
    ("summary.json", "nested deeply", lambda _: DEEP),
    ("summary.json", "texts", lambda _: b'{"test_accuracy": "x", "epochs": []}'),
    ("environment.json", "nested deeply", lambda _: DEEP),
    ("environment.json", "texts", lambda _: b'[{"blas": 3, "versions": [], "git": [], "from_step": "a"}]'),
    ("activations.npz", "a flipped byte", flipped),
    ("activations.npz", "half", lambda content: content[: len(content) // 2]),
    ("activations.npz", "other arrays", lambda _: archive(a=np.zeros(3))),
    ("gradients.npz", "garbage", lambda _: GARBAGE),
    ("model.safetensors", "a flipped byte", flipped),
    ("model.safetensors", "garbage", lambda _: GARBAGE),
    ("checkpoints", "a flipped byte", flipped),
    ("checkpoints", "empty", lambda _: b""),
]


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        pytest.param(name, damage, id=f"{name}: {what}", marks=pytest.mark.slow if index % 4 else ())
        for index, (name, what, damage) in enumerate(DAMAGES)
    ],
)
def test_a_damaged_run_is_a_sentence(
    name: str, damage: Callable[[bytes], bytes], whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("points.csv").write_text("x,y\n0.5,0.5\n1,0\n")
    for command, words in COMMANDS.items():
        run = tmp_path / command
        shutil.copytree(whole, run)
        file = checkpoint_files(run / "checkpoints")[0] if name == "checkpoints" else run / name
        file.write_bytes(damage(file.read_bytes()))
        result = pellucid(*words(run))
        assert result.exception is None or isinstance(result.exception, SystemExit), (command, result.exception)
        assert result.exit_code in (0, 2), (command, result.output)
        if name == "config.json" and command == "predict":  # which needs all of it
            assert result.exit_code == 2 and result.stderr.startswith("pellucid: "), (command, result.output)


def stored(**values: Any) -> bytes:
    whole = {"fixed": {"dataset": "moons"}, "space": {"lr": {"values": [0.1]}}, "sampler": "grid", "trials": 1}
    return json.dumps({**whole, "metric": "val_accuracy", "threads": 1, "fingerprint": "x", **values}).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"", b"[]", b"3", b"{}", DEEP, GARBAGE,
        stored(fixed=[]), stored(space=3), stored(space={"lr": 3}), stored(sampler="best"), stored(trials="two"),
        stored(trials=-1), stored(metric=None), stored(threads=[]),
    ],
)  # fmt: skip
def test_a_damaged_sweep_is_a_sentence(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "sweep.json").write_bytes(content)
    result = pellucid("sweep", "--resume", tmp_path)
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == 2 and result.stderr.startswith("pellucid: "), result.output


def wrong_files(folder: Path) -> list[Path]:
    (folder / "weights.pt").write_bytes(b"PK\x03\x04" + GARBAGE)
    np.save(folder / "cube.npy", np.zeros((2, 3, 4)))
    (folder / "empty.npy").write_bytes(b"")
    (folder / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + GARBAGE)
    (folder / "notes.txt").write_text("hello\nworld \x00\n")
    (folder / "folder").mkdir()
    names = ("weights.pt", "cube.npy", "empty.npy", "picture.png", "notes.txt", "folder", "absent")
    return [folder / name for name in names]


WITH_A_WRONG_FILE: dict[str, Callable[[Path, Path], list[object]]] = {
    "predict FILE": lambda run, file: ["predict", run, file],
    "predict RUN": lambda run, file: ["predict", file, file],
    "report": lambda run, file: ["report", file],
    "resume": lambda run, file: ["train", "--resume", file],
    "train": lambda run, file: ["train", file, "--target", "a"],
    "train without a target": lambda run, file: ["train", file],
    "train mnist": lambda run, file: ["train", "mnist", "--data", file],
    "compare": lambda run, file: ["compare", run, file],
    "sweep": lambda run, file: ["sweep", "--resume", file],
}


@pytest.mark.parametrize("command", WITH_A_WRONG_FILE)
def test_a_wrong_file_is_a_sentence(command: str, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for file in wrong_files(tmp_path):
        result = pellucid(*WITH_A_WRONG_FILE[command](whole, file))
        assert isinstance(result.exception, SystemExit), (file, result.exception)
        assert result.exit_code == 2 and result.stderr.startswith("pellucid: "), (file, result.output)
