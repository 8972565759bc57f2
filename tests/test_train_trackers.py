"""Runs handed to Weights & Biases and MLflow, by stand-ins that hold to the arguments of the real packages."""

import os
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from typer.testing import CliRunner

from pellucid import nn
from pellucid.cli.program import app
from pellucid.train import Checkpoint, Mlflow, OneCycle, Tracker, Wandb, load_checkpoint
from tests.recorded import learner


class Service:
    """What a program that keeps runs has been given: figures by run, step and name; settings by run."""

    def __init__(self) -> None:
        self.figures: dict[str, dict[int, dict[str, float]]] = {}
        self.settings: dict[str, dict[str, Any]] = {}
        self.opened: list[str] = []
        self.running: str | None = None
        self.ended: list[Any] = []  # the status of each run that was closed, as the package is told it

    def begin(self, run: str | None) -> str:
        assert self.running is None, "a run is begun while another is open"
        self.running = run or f"run-{len(self.figures) + 1}"
        self.figures.setdefault(self.running, {})
        self.opened.append(self.running)
        return self.running

    def log(self, values: dict[str, float], step: int) -> None:
        assert self.running is not None and all(type(value) is float for value in values.values())
        self.figures[self.running].setdefault(step, {}).update(values)

    def end(self, status: Any) -> None:
        self.running = None
        self.ended.append(status)


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Service:
    kept = Service()
    wandb: Any = ModuleType("wandb")

    def init(*, project: str, name: str | None, id: str | None, resume: str, config: dict[str, Any]) -> Any:
        run = kept.begin(id)
        kept.settings[run] = {"project": project, "name": name, **config}
        url = None if os.environ.get("WANDB_MODE") == "offline" else f"https://wandb.test/{run}"

        def finish(exit_code: int) -> None:
            kept.end(exit_code)

        return SimpleNamespace(id=run, url=url, dir=f"wandb/offline-{run}/files", log=kept.log, finish=finish)

    wandb.init = init
    mlflow: Any = ModuleType("mlflow")
    mlflow.set_experiment = lambda name: setattr(mlflow, "experiment", name)
    mlflow.get_tracking_uri = lambda: "file:///runs"

    def start_run(*, run_id: str | None, run_name: str | None) -> Any:
        mlflow.name = run_name
        return SimpleNamespace(info=SimpleNamespace(run_id=kept.begin(run_id)))

    def log_params(params: dict[str, Any]) -> None:
        assert kept.running not in kept.settings, "MLflow refuses other values of a parameter"
        kept.settings[str(kept.running)] = {"project": mlflow.experiment, "name": mlflow.name, **params}

    mlflow.start_run, mlflow.log_params = start_run, log_params
    mlflow.log_metrics, mlflow.end_run = kept.log, kept.end
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    monkeypatch.setitem(sys.modules, "mlflow", mlflow)
    return kept


KINDS = [Wandb, Mlflow]


@pytest.mark.parametrize("kind", KINDS)
def test_figures_and_settings_are_handed_on(kind: type[Wandb | Mlflow], service: Service) -> None:
    tracker = kind(project="tests", every=2)
    run = learner(tracker, OneCycle(0.2))
    run.fit(2)
    (figures,) = service.figures.values()
    every = len(run.loader)
    assert set(figures) == {step for step in range(1, 2 * every + 1) if step % 2 == 0 or step % every == 0}
    assert {"train/loss", "hyperparameters/lr"} <= set(figures[2])
    assert figures[2 * every]["val/loss"] == run.evaluation["loss"]
    (settings,) = service.settings.values()
    assert settings["project"] == "tests" and settings["optimizer"] == type(run.optimizer).__name__
    assert settings["parameters"] == sum(parameter.numel() for parameter in run.model.parameters())
    assert service.running is None and "run-1" in tracker.where


@pytest.mark.parametrize("kind", KINDS)
def test_a_resumed_run_goes_on_in_the_same_one(kind: type[Tracker], service: Service, tmp_path: Path) -> None:
    saved = Checkpoint(tmp_path)
    learner(kind(every=1), saved).fit(1)
    again = learner(kind(every=1))
    assert saved.last is not None
    again.load_state_dict(load_checkpoint(saved.last))
    again.fit(until=2)
    whole = learner(kind(every=1))
    whole.fit(2)
    assert service.opened == ["run-1", "run-1", "run-2"]
    assert service.figures["run-1"] == service.figures["run-2"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_that_fails_is_closed(kind: type[Tracker], service: Service) -> None:
    run = learner(kind())
    run.loss_function = Mock(side_effect=ZeroDivisionError)
    with pytest.raises(ZeroDivisionError):
        run.fit(1)
    assert service.running is None and len(service.opened) == 1
    run.loss_function = nn.CrossEntropyLoss()
    run.fit(1)
    assert service.ended in (["FAILED", "FINISHED"], [1, 0])


@pytest.mark.parametrize(("kind", "package"), [(Wandb, "wandb"), (Mlflow, "mlflow")])
def test_what_to_install_is_said(kind: type[Tracker], package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ModuleNotFoundError, match=f"needs the package {package}: pip install {package}$"):
        kind()


def test_the_command_says_where_a_run_can_be_seen(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    how = ["train", "circle", "--epochs", "1", "--no-report", "--out", "runs/run"]
    callbacks = ["--callback", "tensorboard", "--callback", "wandb:project=mine", "--callback", "mlflow"]
    # Both stand-ins share one service, which holds one run at a time.
    result = CliRunner().invoke(app, [*how, *callbacks[:4]])
    assert result.exit_code == 0, result.output
    # TensorBoard calls a run by its path below the folder that it is given: "run", as everything else does.
    assert "TensorBoard: tensorboard --logdir runs\n" in result.output
    assert list(Path("runs/run").glob("*.tfevents.*"))
    assert "Weights & Biases: https://wandb.test/run-1" in result.output
    result = CliRunner().invoke(app, [*how[:-1], "runs/other", *callbacks[4:]])
    assert "MLflow: mlflow ui --backend-store-uri file:///runs (experiment pellucid, run run-2)" in result.output
    monkeypatch.setenv("WANDB_MODE", "offline")
    result = CliRunner().invoke(app, [*how[:-1], "third", *callbacks[2:4]])
    assert "Weights & Biases: wandb sync wandb/offline-run-3" in result.output
    assert [found["name"] for found in service.settings.values()] == ["run", "other", "third"]
    told = service.settings["run-2"]
    assert (told["dataset"], told["model"], told["batch_size"], told["seed"]) == ("circle", "mlp:32,32", 256, 0)


def test_the_command_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "wandb", None)
    result = CliRunner().invoke(app, ["train", "circle", "--epochs", "1", "--callback", "wandb"])
    assert result.exit_code == 2 and "--callback wandb: Weights & Biases needs the package wandb" in result.stderr
