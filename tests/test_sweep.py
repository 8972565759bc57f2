"""`pellucid sweep`: what is searched, what each trial leaves, and how a search that was cut off goes on."""

import csv
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pellucid.cli.program import app
from pellucid.experiments import space
from pellucid.experiments.session import start
from pellucid.experiments.space import Choices, Range
from pellucid.experiments.study import Study, plan
from pellucid.experiments.trials import THREADS, Task, TaskResult, Workers, run_task
from tests.switches import in_one_process

QUICK: dict[str, Any] = {"dataset": "moons", "model": "mlp:4", "optimizer": "sgd", "batch_size": 512}
QUICK_WORDS = ["moons", "--model", "mlp:4", "--optimizer", "sgd", "--batch-size", "512"]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def pellucid(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["sweep", *map(str, arguments)], env={"COLUMNS": "120"})


# What is searched


@pytest.mark.parametrize(
    ("word", "name", "values"),
    [
        ("lr=0.01,0.1", "lr", Choices((0.01, 0.1))),
        ("--lr=1e-3", "lr", Choices((0.001,))),
        ("batch-size=16, 64,16", "batch_size", Choices((16, 64))),
        ("model=mlp:64,mlp:128,64,logistic", "model", Choices(("mlp:64", "mlp:128,64", "logistic"))),
        ("loss=quadratic,cross-entropy", "loss", Choices(("mse", "cross-entropy"))),
        ("lr=1e-4..1e-1:log", "lr", Range(1e-4, 1e-1, True)),
        ("momentum=0..0.9", "momentum", Range(0.0, 0.9, False)),
        ("epochs=2..8", "epochs", Range(2, 8, False)),
    ],
)
def test_what_a_parameter_may_be(word: str, name: str, values: Choices | Range) -> None:
    found = space.parse([], [word], {"dataset": "digits"})
    assert found == {name: values}
    assert space.from_json(json.loads(json.dumps(space.as_json(found)))) == found


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "What is to be tried?"),
        (["--grid", "lrr=0.1"], "Did you mean lr?"),
        (["--grid", "dataset=digits,moons"], "Unknown parameter 'dataset'"),
        (["--grid", "lr"], "names no values"),
        (["--grid", "lr=a"], "lr is a number, and 'a' is none"),
        (["--grid", "epochs=2.5"], "epochs is a whole number, and '2.5' is none"),
        (["--grid", "lr=-1,0.1"], "--lr is -1.0; it must be a number above 0"),
        (["--grid", "activation=relu,tahn"], "Did you mean tanh?"),
        (["--grid", "lr=0.1", "--grid", "lr=0.2"], "lr is given twice"),
        (["--grid", "lr=0.1", "--lr", 0.2], "--lr is given, and lr is to be tried, too"),
        (["--grid", "lr=0.1..0.2"], "a range is for --random"),
        (["--grid", "lr=0.1", "--random", "momentum=0..0.9"], "a sweep does one of them"),
        (["--grid", "lr=0.1", "--trials", 3], "--trials belongs to --random"),
        (["--random", "lr=0.2..0.1"], "from the smaller to the greater"),
        (["--random", "momentum=0..0.9:log"], "begins above 0"),
        (["--random", "lr=0.1..0.2:lin"], "comes :log or nothing"),
        (["--random", "activation=relu..tanh"], "activation is no number"),
        (["--random", "lr=0.1..0.2", "--sampler", "bayes"], "Unknown sampler 'bayes'"),
        (["--random", "lr=0.1..0.2", "--trials", 0], "--trials is 0"),
        (["--grid", "lr=0.1", "--metric", "val_acc"], "Did you mean val_accuracy?"),
        (["--grid", "lr=0.1", "--jobs", 0], "--jobs is 0"),
        (["--grid", "optimizer=sgd,adam", "--grid", "momentum=0.9"], "The trial with optimizer adam, momentum 0.9"),
        (["--resume", "nowhere"], "holds no sweep"),
        (["--resume", "nowhere", "--lr", 0.1], "Leave --lr out"),
        (["--grid", "lr=0.1", "--out", "taken"], "is not empty and holds no sweep"),
    ],
)
def test_what_cannot_be_searched(arguments: list[object], says: str) -> None:
    Path("taken").mkdir()
    Path("taken/notes.txt").write_text("mine")
    dataset = [] if "--resume" in arguments else ["moons"]
    result = pellucid(*dataset, *arguments)
    assert result.exit_code == 2
    assert says in " ".join(result.output.split())
    assert not Path("runs").exists()


def test_without_optuna_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    result = pellucid(*QUICK_WORDS, "--grid", "lr=0.1")
    assert result.exit_code == 2
    assert 'pip install "pellucid[experiments]"' in result.output


def test_the_settings_that_are_drawn() -> None:
    """The same seed draws the same; more trials begin with those of fewer; each lies in its range."""
    searched = space.parse([], ["lr=1e-4..1e-1:log", "epochs=1..3", "activation=relu,tanh"], {"dataset": "digits"})
    drawn = plan(searched, "random", 30, 0)
    assert drawn[:10] == plan(searched, "random", 10, 0)
    assert drawn != plan(searched, "random", 30, 1)
    assert all(1e-4 <= params["lr"] <= 1e-1 for params in drawn)
    assert sum(params["lr"] < 3e-3 for params in drawn) > 8  # evenly by factors: about half lies below
    assert {params["epochs"] for params in drawn} == {1, 2, 3}
    assert {params["activation"] for params in drawn} == {"relu", "tanh"}


# The book


def book(path: Path, trials: int = 3, tpe: bool = False) -> Study:
    searched: space.Space = {"lr": Range(0.1, 1.0, False)} if tpe else {"lr": Choices((0.1, 0.2, 0.3))}
    planned = [] if tpe else [{"lr": lr} for lr in (0.1, 0.2, 0.3)]
    return Study(path, searched, planned, trials, maximise=True, seed=0)


def test_done_trials_are_kept_and_others_are_given_out_again(tmp_path: Path) -> None:
    study = book(tmp_path / "journal.log")
    given = study.give_out()
    assert [next(given) for _ in range(3)] == [(0, {"lr": 0.1}), (1, {"lr": 0.2}), (2, {"lr": 0.3})]
    study.tell(1, "diverged", message="The loss became nan")
    study.tell(2, "failed", message="its process ended")
    # Nothing is told of trial 0: the program was killed.
    study = book(tmp_path / "journal.log")
    assert list(study.give_out()) == [(0, {"lr": 0.1}), (2, {"lr": 0.3})]
    study.tell(0, "complete", 0.5)
    study.tell(2, "complete", 0.75)
    study = book(tmp_path / "journal.log")
    assert list(study.give_out()) == []
    assert [(r["index"], r["state"], r["value"]) for r in study.records()] == [
        (0, "complete", 0.5),
        (1, "diverged", None),
        (2, "complete", 0.75),
    ]
    assert study.records()[1]["message"] == "The loss became nan"


def test_a_book_that_is_opened_again_and_again_enters_nothing_twice(tmp_path: Path) -> None:
    for _ in range(3):
        study = book(tmp_path / "journal.log")
        assert [record["state"] for record in study.records()] == ["waiting"] * 3
    assert len(list(study.give_out())) == 3


def test_a_journal_that_was_cut_anywhere_is_gone_on_with(tmp_path: Path) -> None:
    """Killed in the midst of a write: what is whole is kept, and the rest is given out again."""
    journal = tmp_path / "journal.log"
    study = book(journal)
    for index, _ in study.give_out():
        study.tell(index, "complete", index / 2)
    content = journal.read_bytes()
    first = content.index(b"\n") + 1
    counts = set[int]()
    for length in [0, 10, first, *range(first + 7, len(content), len(content) // 20)]:
        journal.write_bytes(content[:length])
        study = book(journal)
        counts.add(given := len(list(study.give_out())))
        assert sorted(record["state"] for record in study.records()).count("complete") == 3 - given
        assert len(book(journal).records()) == 3
    assert counts == {0, 1, 2, 3} or counts == {1, 2, 3}


def test_tpe_goes_on_with_what_it_had_given_out(tmp_path: Path) -> None:
    study = book(tmp_path / "journal.log", tpe=True)
    given = study.give_out()
    index, first = next(given)
    study.tell(index, "complete", 0.5)
    _, cut_off = next(given)
    study = book(tmp_path / "journal.log", tpe=True)
    again = list(study.give_out())
    assert again[0] == (1, cut_off)
    assert [index for index, _ in again] == [1, 2]
    assert len({params["lr"] for _, params in again} | {first["lr"]}) == 3


# The command


@in_one_process
def test_a_sweep(tmp_path: Path) -> None:
    """Two processes, one setting that diverges; each trial is the run that `pellucid train` makes; the same command
    again does nothing twice."""
    words = [*QUICK_WORDS, "--grid", "lr=0.1,1e9", "--grid", "epochs=1,3", "--jobs", 2, "--out", "found"]
    result = pellucid(*words)
    assert result.exit_code == 0, result.output
    assert "2 of 4 trials diverged" in result.output
    best = "pellucid train moons --model mlp:4 --optimizer sgd --batch-size 512 --lr 0.1 --epochs 3"
    assert f"Best: {best}" in result.output
    found = Path("found")
    rows = list(csv.DictReader((found / "sweep.csv").read_text().splitlines()))
    assert [row["state"] for row in rows] == ["complete", "complete", "diverged", "diverged"]
    assert [row["epochs"] for row in rows] == ["1", "3", "1", "3"]
    assert (rows[2]["val_accuracy"], rows[2]["message"][:8]) == ("", "The loss")
    assert (found / "sweep.png").read_bytes()[:4] == b"\x89PNG"
    page = (found / "report.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 3 and "2 diverged" in page and "complete</span>" in page
    summary = json.loads((found / "trials/0001/summary.json").read_text())
    assert float(rows[1]["val_accuracy"]) == summary["val_accuracy"]

    start({**QUICK, "lr": 0.1, "epochs": 3}, tmp_path / "alone", quiet=True).run()
    alone = (tmp_path / "alone/model.safetensors").read_bytes()
    assert (found / "trials/0001/model.safetensors").read_bytes() == alone
    threads = json.loads((found / "trials/0001/environment.json").read_text())[0]["blas"]["threads"]
    assert threads in (1, None)

    written = (found / "trials/0001/summary.json").stat().st_mtime_ns
    again = pellucid(*words)
    assert again.exit_code == 0, again.output
    assert "4 of them done before" in again.output
    assert (found / "trials/0001/summary.json").stat().st_mtime_ns == written
    quiet = pellucid("--resume", "found", "--quiet")
    assert quiet.output == best + "\n"

    other = pellucid(*QUICK_WORDS, "--grid", "lr=0.2", "--out", "found")
    assert other.exit_code == 2
    assert "holds another sweep, which differs in lr (0.1,1000000000.0 / 0.2), epochs" in " ".join(other.output.split())


def test_a_large_grid_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from pellucid.cli import sweep

    monkeypatch.setattr(sweep.Workers, "run", lambda self, tasks: iter(()))
    values = ",".join(str(i / 100) for i in range(1, 52))
    result = pellucid(*QUICK_WORDS, "--grid", f"lr={values}", "--grid", "epochs=1,2", "--out", "large")
    assert "the grid has 102 trials: lr 51 × epochs 2" in result.output
    assert "To go on: pellucid sweep --resume large" in result.output


@pytest.mark.slow
def test_more_trials_of_a_random_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process, to save the time of another: what is tried with 2 trials is not tried again with 3."""
    from pellucid.cli import sweep

    done: list[int] = []

    def run(self: Workers, tasks: Iterator[Task]) -> Iterator[TaskResult]:
        for task in tasks:
            done.append(task.index)
            yield run_task(task, threading.Event())

    monkeypatch.setattr(sweep.Workers, "run", run)
    words = [*QUICK_WORDS, "--epochs", 1, "--random", "lr=0.01..1:log", "--metric", "val-loss", "--out", "drawn"]
    first = pellucid(*words, "--trials", 2)
    assert first.exit_code == 0, first.output
    assert done == [0, 1]
    before = list(csv.DictReader(Path("drawn/sweep.csv").read_text().splitlines()))
    second = pellucid("--resume", "drawn", "--trials", 3)
    assert second.exit_code == 0, second.output
    assert done == [0, 1, 2]
    rows = list(csv.DictReader(Path("drawn/sweep.csv").read_text().splitlines()))
    assert rows[:2] == before
    least = min(rows, key=lambda row: float(row["val_loss"]))
    assert f"--lr {least['lr']}" in second.output
    assert pellucid("--resume", "drawn", "--trials", 1).exit_code == 2


def test_a_process_that_dies_fails_its_trial_alone(tmp_path: Path) -> None:
    options = {**QUICK, "epochs": 1}

    def tasks() -> Iterator[Task]:
        yield Task(0, {**options, "epochs": 10**6}, tmp_path / "0")
        (worker,) = workers._busy.values()
        worker.process.kill()
        worker.process.join()
        yield Task(1, options, tmp_path / "1")

    before = {name: os.environ.get(name) for name in THREADS}
    with Workers(jobs=2, threads=1) as workers:
        outcomes = {outcome.index: outcome for outcome in workers.run(tasks())}
    assert (outcomes[0].state, outcomes[1].state) == ("failed", "complete")
    assert "its process ended with code" in outcomes[0].message
    assert outcomes[1].summary["epochs"] == 1
    assert {name: os.environ.get(name) for name in THREADS} == before


@pytest.mark.slow
def test_a_task_that_was_stopped_is_taken_up_again(tmp_path: Path) -> None:
    task = Task(0, {**QUICK, "epochs": 2, "lr": 0.1}, tmp_path / "run")
    asked = threading.Event()
    asked.set()
    assert run_task(task, asked).state == "stopped"
    assert not (tmp_path / "run/summary.json").exists()
    outcome = run_task(task, threading.Event())
    assert outcome.state == "complete"
    whole = run_task(Task(0, task.options, tmp_path / "whole"), threading.Event())
    assert (tmp_path / "run/model.safetensors").read_bytes() == (tmp_path / "whole/model.safetensors").read_bytes()
    assert run_task(task, asked) == outcome  # the news of its end was lost, not the run
    assert whole.summary["val_loss"] == outcome.summary["val_loss"]
    nonsense = run_task(Task(1, {**QUICK, "target": "x"}, tmp_path / "none"), threading.Event())
    assert nonsense.state == "failed"
    assert "--target belongs to a CSV file" in nonsense.message


@in_one_process
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT to send to another process")
@pytest.mark.slow
def test_ctrl_c_leaves_everything_to_go_on_with() -> None:
    words = ["moons", "--model", "mlp:4", "--batch-size", "8", "--epochs", "6", "--grid", "lr=0.01,0.02"]
    process = subprocess.Popen(
        [sys.executable, "-c", "from pellucid.cli import main; main()", "sweep", *words, "--out", "cut"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not list(Path("cut").glob("trials/0000/checkpoints/epoch-0001*")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    beside = pellucid("--resume", "cut")
    assert beside.exit_code == 2
    assert "cut is in use by process" in beside.output
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, (out, err)
    assert "To go on: pellucid sweep --resume cut" in out
    assert "Traceback" not in err
    result = pellucid("--resume", "cut")
    assert result.exit_code == 0, result.output
    settings = {"dataset": "moons", "model": "mlp:4", "batch_size": 8, "epochs": 6, "lr": 0.01}
    start(settings, Path("alone"), quiet=True).run()
    assert Path("cut/trials/0000/model.safetensors").read_bytes() == Path("alone/model.safetensors").read_bytes()
    assert Path("cut/trials/0001/summary.json").exists()
