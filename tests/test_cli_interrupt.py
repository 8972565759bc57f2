"""Runs ended by Ctrl-C and by a kill at any moment, each in a process of its own, go on as if nothing had been."""

import csv
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pellucid.train.files.checkpoint import checkpoint_files

# Dropout draws from the default generator in each step; small batches make the epochs long enough to be caught in.
RUN = ["digits", "--model", "cnn", "--batch-size", "16", "--epochs", "3", "--log-every", "7"]
STEPS = 90  # per epoch
PATIENCE = 120

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT to send to another process")


def start(folder: Path, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", "from pellucid.cli import main; main()", "train", "--no-report", *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=PATIENCE)
    return process.returncode, out, err


def wait_for_step(process: subprocess.Popen[str], run: Path, step: int) -> None:
    """Until a checkpoint of at least `step` steps is there."""
    deadline = time.monotonic() + PATIENCE
    while not any(steps(path) >= step for path in checkpoint_files(run / "checkpoints")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)


def steps(path: Path) -> int:
    return int(path.stem.rpartition("-")[2])


def assert_equal_runs(first: Path, other: Path) -> None:
    assert (first / "model.safetensors").read_bytes() == (other / "model.safetensors").read_bytes()
    rows = [list(csv.DictReader((run / "history.csv").read_text().splitlines())) for run in (first, other)]
    for row in (*rows[0], *rows[1]):
        del row["seconds"]
    assert rows[0] == rows[1]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that nothing interrupts."""
    folder = tmp_path_factory.mktemp("whole")
    code, _, err = finish(start(folder, *RUN, "--out", "run"))
    assert code == 0, err
    return folder / "run"


def test_ctrl_c_within_an_epoch(whole: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    for _ in range(5):  # the signal may come at the very end of an epoch: then once more
        process = start(tmp_path, *RUN, "--out", "run")
        wait_for_step(process, run, STEPS)
        time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        code, out, err = finish(process)
        assert code == 130, (out, err)
        last = steps(checkpoint_files(run / "checkpoints")[0])
        if last % STEPS:
            break
        run.rename(tmp_path / f"at-the-end-of-an-epoch-{last}-{time.monotonic_ns()}")
    assert last % STEPS
    assert f"Stopped after step {last} (epoch {last // STEPS + 1} of 3)" in out
    assert "pellucid train --resume run" in out
    assert "Traceback" not in err
    assert not (run / "summary.json").exists()
    assert {"history.csv", "model.safetensors"} <= {path.name for path in run.iterdir()}

    code, out, err = finish(start(tmp_path, "--resume", "run"))
    assert code == 0, err
    assert_equal_runs(whole, run)


@pytest.mark.slow
def test_kill_at_any_moment(whole: Path, tmp_path: Path) -> None:
    """Killed three times at random moments of training and saving, and resumed each time."""
    moments = random.Random(0)
    run = tmp_path / "run"
    arguments: list[object] = [*RUN, "--out", "run"]
    reached = 0
    for _ in range(3):
        process = start(tmp_path, *arguments)
        wait_for_step(process, run, reached)
        time.sleep(moments.uniform(0, 0.6))
        process.kill()
        finish(process)
        arguments = ["--resume", "run"]
        reached = min(steps(checkpoint_files(run / "checkpoints")[0]), 2 * STEPS)
    code, _, err = finish(start(tmp_path, *arguments))
    assert code == 0, err
    assert_equal_runs(whole, run)


def test_ctrl_c_before_training(tmp_path: Path) -> None:
    """While the data are read there is nothing to save: said in a sentence, with the same exit code."""
    program = (
        "import os, signal\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # which a program in the background does not have
        "from pellucid import datasets\n"
        "datasets.digits = lambda **_: os.kill(os.getpid(), signal.SIGINT)\n"
        "from pellucid.cli import main\n"
        "main()\n"
    )
    process = subprocess.run(
        [sys.executable, "-c", program, "train", "digits"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert process.returncode == 130, process.stderr
    assert "Traceback" not in process.stderr
    assert "interrupted" in process.stderr
