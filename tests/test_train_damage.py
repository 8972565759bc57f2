"""Runs that are killed at every write, and files of runs that are damaged in every way."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid as torch
from pellucid import nn, optim, train
from pellucid.train import ActivationStats, Checkpoint, CheckpointError, Learner, Recorder, RunFolder, RunFolderError
from pellucid.train.files.checkpoint import checkpoint_files
from pellucid.train.records.history import history_of, read_history

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="a process is forked and killed")
LOSSES = [3.0, 1.0, 2.0, 0.5]  # of the validation, by epoch: the best is the second, then the fourth


class Scripted(Learner):
    """A learner whose validation loss is written beforehand."""

    def evaluate_epoch(self) -> dict[str, float]:
        return {"loss": LOSSES[self.epoch]}


def run_in(folder: RunFolder, keep: int | None = None) -> Learner:
    torch.manual_seed(0)
    model = nn.Linear(2, 1)
    batches = [(torch.ones(3, 2), torch.zeros(3, 1))] * 2
    callbacks = [Recorder(path=folder.history), Checkpoint(folder.checkpoints, keep=keep)]
    optimizer = optim.SGD(model.parameters(), lr=0.01)
    return Scripted(model, (batches, batches), nn.MSELoss(), optimizer, callbacks=callbacks, defaults=())


def killed_at(count: int, function: Callable[[], Any]) -> bool:
    """Run `function` in a fork that dies, without any cleaning up, at the n-th write to the disk; whether it did."""
    child = os.fork()
    if child == 0:  # pragma: no cover (another process)
        seen = 0

        def dying(name: str) -> Callable[..., Any]:
            real = getattr(os, name)

            def called(*args: Any, **kwargs: Any) -> Any:
                nonlocal seen
                seen += 1
                if seen == count:
                    os._exit(9)
                return real(*args, **kwargs)

            return called

        for name in ("replace", "fsync", "link", "open", "unlink"):
            setattr(os, name, dying(name))
        try:
            function()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


@pytest.mark.slow
@needs_fork
@pytest.mark.parametrize("keep", [None, 1])
def test_a_run_that_is_killed_at_any_write(keep: int | None, tmp_path: Path) -> None:
    """What is on the disk belongs together, and the run that is resumed ends like the one that was not killed."""
    whole = RunFolder(tmp_path / "whole")
    whole.path.mkdir()
    run_in(whole, keep).fit(4)
    expected = {name: file.read_bytes() for name, file in models(whole).items()}
    count = 0
    while True:
        count += 1
        folder = RunFolder(tmp_path / str(count))
        folder.path.mkdir()
        if not killed_at(count, lambda folder=folder: run_in(folder, keep).fit(4)):
            break
        files = checkpoint_files(folder.checkpoints)
        states = [train.load_checkpoint(path) for path in files]  # each is whole
        best = Checkpoint(folder.checkpoints).best
        if states and states[0]["callbacks"]["Checkpoint"]["best_epoch"]:
            newest = states[0]["callbacks"]["Checkpoint"]["best_epoch"]
            assert best is not None
            assert train.load_checkpoint(best)["epoch"] == newest
        rows = [row for row in history_of(folder) if row["kind"] == "epoch"]
        if states:
            assert [row["epoch"] for row in rows] >= list(range(1, states[0]["epoch"] + 1))
        rest = run_in(folder, keep)
        last = folder.last_checkpoint()
        if last is not None:
            rest.load_state_dict(last[1])
        rest.fit(until=4)
        assert {name: weights(file) for name, file in models(folder).items()} == {
            name: weights(file) for name, file in models(whole).items()
        }
        assert [row["epoch"] for row in read_history(folder.history)] == [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]
        assert not [path for path in folder.checkpoints.iterdir() if ".partial" in path.name or path.name == ".lock"]
    assert count > 30
    assert expected


def models(folder: RunFolder) -> dict[str, Path]:
    return {path.name: path for path in folder.checkpoints.glob("*.safetensors")}


def weights(path: Path) -> bytes:
    return np.asarray(train.load_checkpoint(path)["model"]["weight"].detach().numpy()).tobytes()


@needs_fork
def test_the_best_follows_the_state_that_a_run_goes_on_from(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    run_in(folder).fit(4)
    assert train.load_checkpoint(folder.checkpoints / "best.safetensors")["epoch"] == 4
    rest = run_in(folder)
    rest.load(folder.checkpoints / "epoch-0003-step-00000006.safetensors")
    rest.fit(until=3)
    assert train.load_checkpoint(folder.checkpoints / "best.safetensors")["epoch"] == 2


def test_two_runs_in_one_folder(tmp_path: Path) -> None:
    class Second(train.Callback):
        def after_epoch(self, learner: Any) -> None:
            run_in(RunFolder(tmp_path)).fit(1)

    first = run_in(RunFolder(tmp_path))
    first.add(Second())
    with pytest.raises(RunFolderError, match="checkpoints is in use by process"):
        first.fit(1)
    run_in(RunFolder(tmp_path)).fit(1)  # nothing is left of the lock


def test_the_history_of_a_run_that_was_killed_is_that_of_its_checkpoint(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    run = run_in(folder)
    run.fit(3)
    rows = history_of(folder)
    text = folder.history.read_text().splitlines(keepends=True)
    for count in range(len(text)):
        folder.history.write_text("".join(text[:count]))
        assert history_of(folder) == rows
    folder.history.unlink()
    assert history_of(folder) == rows


# Damaged files

NESTED = "[" * 100_000 + "]" * 100_000
JSON = [
    "", "nonsense", NESTED,
    '{"a":' * 100_000, "[]", "3", "null", '"text"', '{"config": 3}', '{"config": {}, "data": []}',
    '{"config": {}', "\ud800", "\x00", '{"val_loss": [1]}', '{"x": ' + "9" * 5000 + "}",
]  # fmt: skip


@pytest.mark.parametrize("text", JSON)
def test_a_damaged_config_or_summary_is_told_in_a_sentence(text: str, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    for path, read in ((folder.config, folder.read_config), (folder.summary, folder.read_summary)):
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            assert isinstance(read(), dict)
        except RunFolderError as error:
            told = str(error)
        else:
            continue
        assert str(path) in told
        assert "\n" not in told
    folder.environment.write_bytes(text.encode("utf-8", "surrogatepass"))
    assert folder.read_environment() == []


@pytest.mark.parametrize("text", ['[{"from_step": "x"}]', "[3]", '[{"from_step": null}, {"a": 1}]'])
def test_a_damaged_environment_does_not_stop_a_run(text: str, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.environment.write_text(text)
    folder.write_environment({"a": 1}, step=3)
    assert folder.read_environment()[-1]["a"] == 1


HEAD = "kind,epoch,step,train_loss,seconds\n"
HISTORIES = {
    "epoch,step,train_loss\n1,2,0.5\n": "is not the history of a run: its columns begin with 'epoch, step",
    "kind,epoch,step,train_loss,a,a\n": "is not the history of a run",
    HEAD + "step,1,1,0.5\n": "line 2: 4 cells in a table of 5 columns",
    HEAD + "step,1,1,0.5,1,2,3\n": "line 2: 7 cells in a table of 5 columns",
    HEAD + "step,1,1,0.5,1\nstop,1,2,0.5,1\n": "line 3: kind is 'step' or 'epoch'",
    HEAD + "step,one,1,0.5,1\n": "line 2: .*'one'",
    HEAD + "step,1,-1,0.5,1\n": "line 2: .*'-1'",
    HEAD + "step,1,²,0.5,1\n": "line 2: .*'²'",
    HEAD + "step,1," + "9" * 5000 + ",0.5,1\n": "line 2: .*'9999",
    HEAD + '"' + "x" * 200_000 + "\n": "cannot be read as the history of a run",
}


@pytest.mark.parametrize("text", HISTORIES)
def test_a_damaged_history_is_told_in_a_sentence(text: str, tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RunFolderError, match=HISTORIES[text]) as caught:
        read_history(path)
    assert str(path) in str(caught.value)
    run = run_in(RunFolder(tmp_path / "run"))
    run.add(train.CSVLogger(path))
    run.step = 1
    with pytest.raises(ValueError, match="is no log of CSVLogger"):
        run.fit(1)


def test_a_history_that_is_not_utf_8(tmp_path: Path) -> None:
    (tmp_path / "history.csv").write_bytes(b"\xff\xfe\x00k")
    with pytest.raises(RunFolderError, match="cannot be read as the history"):
        read_history(tmp_path / "history.csv")


@pytest.mark.parametrize("seed", range(6))
def test_mutated_files_are_whole_or_refused(seed: int, tmp_path: Path) -> None:
    """Bytes changed, cut out, doubled: nothing but the documented errors, and never something else in silence."""
    rng = np.random.default_rng(seed)
    folder = RunFolder(tmp_path)
    folder.path.mkdir(exist_ok=True)
    run = run_in(folder)
    run.add(statistics := ActivationStats())
    run.fit(2)
    statistics.save(kept := folder.path / "activations.npz")
    folder.create({"config": {"lr": 0.1}, "data": {"train": 3}})
    folder.write_summary({"val_loss": 0.5})
    checkpoint = checkpoint_files(folder.checkpoints)[0]
    own = run.state_dict()["model"]["weight"].tolist()

    def load() -> None:
        try:
            state = train.load_checkpoint(checkpoint)
        except CheckpointError:
            return
        assert state["model"]["weight"].tolist() == own

    readers: list[tuple[Path, Callable[[], Any], type[Exception]]] = [
        (checkpoint, load, CheckpointError),
        (kept, lambda: ActivationStats.load(kept).record(), ValueError),
        (folder.history, lambda: history_of(folder), RunFolderError),
        (folder.config, folder.read_config, RunFolderError),
        (folder.summary, folder.read_summary, RunFolderError),
    ]
    for path, read, error in readers:
        content = path.read_bytes()
        for _ in range(40):
            path.write_bytes(mutated(content, rng))
            try:
                read()
            except error as found:
                told = str(found)
            else:
                continue
            assert path.name in told
        path.write_bytes(content)
        read()


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    at, length = int(rng.integers(len(content))), int(rng.integers(1, 20))
    kind = rng.integers(4)
    if kind == 0:
        return content[:at]
    if kind == 1:
        return content[:at] + content[at + length :]
    if kind == 2:
        return content[:at] + content[at : at + length] + content[at:]
    changed = bytearray(content)
    changed[at] ^= 1 << int(rng.integers(8))
    return bytes(changed)


@pytest.mark.parametrize(
    "state", [{}, {"identity": 3}, {"model": [1, 2]}, json.loads('{"random": {"default": {"kind": []}}}')]
)
def test_a_checkpoint_of_something_else(state: dict[str, Any], tmp_path: Path) -> None:
    run = run_in(RunFolder(tmp_path))
    for content in (state, {**run.state_dict(), **state}):
        train.save_checkpoint(tmp_path / "x.safetensors", content)
        if content.keys() == run.state_dict().keys() and not state:
            continue
        with pytest.raises(CheckpointError, match=r"x\.safetensors"):
            run.load(tmp_path / "x.safetensors")
