"""`pellucid train --callback …` and `--schedule …`: what is asked for is what runs, and a resumed run has it too."""

import copy
import csv
import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer.main
from typer.testing import CliRunner

from pellucid import nn, optim, tensor
from pellucid.cli.program import app
from pellucid.experiments.choices import CALLBACKS, OPTIMIZERS, SCHEDULERS
from pellucid.experiments.config import SETTINGS, Config
from pellucid.experiments.errors import UsageError
from pellucid.experiments.muon import MuonAndAdamW, groups_of
from pellucid.experiments.runs import read as read_runs
from pellucid.experiments.session import RunSession, resume, start
from pellucid.safetensors import read
from pellucid.train import EMA, Callback, EarlyStopping


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def pellucid(*arguments: object) -> Any:
    words = [str(argument) for argument in arguments]
    return CliRunner().invoke(app, [*words, "--no-report"] if words[0] == "train" else words)


def rows(run: str) -> list[dict[str, str]]:
    with open(Path(run) / "history.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_words_become_callbacks() -> None:
    stopping = CALLBACKS.make("early-stopping:patience=7,min_delta=0.5")
    assert isinstance(stopping, EarlyStopping)
    assert (stopping.patience, stopping.min_delta) == (7, 0.5)
    assert isinstance(CALLBACKS.make("ema"), EMA)


def test_every_callback_that_has_defaults_can_be_made_from_its_name() -> None:
    for name in CALLBACKS.kinds:
        try:
            made = CALLBACKS.make(name, folder=Path("run"))
        except UsageError as error:
            assert "needs" in str(error) or "=" in str(error)  # it says which argument to give  # noqa: PT017
        else:
            assert isinstance(made, CALLBACKS.kinds[name])


def test_the_normal_form() -> None:
    assert CALLBACKS.normal("Early_Stopping: patience = 5 , mode=min") == "early-stopping:patience=5,mode=min"
    assert CALLBACKS.normal("EMA") == "ema"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("early-stoping", "Did you mean early-stopping"),
        ("recorder", "Unknown callback"),
        ("early-stopping:patince=3", "Did you mean patience"),
        ("early-stopping:patience", "after the colon come arguments"),
        ("early-stopping:patience=soon", "must be a whole number"),
        ("early-stopping:patience=-1", "patience"),
    ],
)
def test_what_makes_no_sense_is_told_before_a_folder_is_made(text: str, said: str) -> None:
    result = pellucid("train", "moons", "--callback", text, "--out", "run")
    assert result.exit_code == 2
    assert said in result.stderr
    assert not Path("run").exists()


def test_early_stopping_ends_a_run_as_complete() -> None:
    result = pellucid(
        "train", "moons", "--epochs", 50, "--callback", "early-stopping:patience=1,min_delta=10", "--out", "run"
    )
    assert result.exit_code == 0
    summary = json.loads(Path("run/summary.json").read_text())
    assert summary["epochs"] < 50
    assert json.loads(Path("run/config.json").read_text())["config"]["callback"] == [
        "early-stopping:patience=1,min_delta=10"
    ]


def test_a_run_that_stopped_early_is_resumed_as_it_ended() -> None:
    """It says what stopped it, and does not go on."""
    stopping = "early-stopping:patience=1,min_delta=0.2,restore_best=true"
    result = pellucid("train", "moons", "--epochs", 20, "--callback", stopping, "--out", "run")
    assert "val_loss was best after epoch" in result.output and "Stopped after epoch" in result.output
    model, count = Path("run/model.safetensors").read_bytes(), len(rows("run"))
    again = pellucid("train", "--resume", "run")
    assert "Stopped after epoch" in again.output
    assert Path("run/model.safetensors").read_bytes() == model and len(rows("run")) == count


def test_callbacks_come_back_on_resume_and_may_not_change() -> None:
    whole = pellucid("train", "moons", "--epochs", 4, "--callback", "ema:decay=0.9", "--out", "whole")
    part = pellucid("train", "moons", "--epochs", 2, "--callback", "ema:decay=0.9", "--out", "part")
    assert whole.exit_code == part.exit_code == 0
    wrong = pellucid("train", "--resume", "part", "--epochs", 4, "--callback", "ema:decay=0.5")
    assert wrong.exit_code == 2
    assert "--callback ema:decay=0.5 changes what is computed, and the run" in wrong.stderr
    assert pellucid("train", "--resume", "part", "--epochs", 4).exit_code == 0
    without = [{k: v for k, v in row.items() if k != "seconds"} for row in rows("part")]
    assert without == [{k: v for k, v in row.items() if k != "seconds"} for row in rows("whole")]


def test_a_run_whose_time_is_over_says_so_and_goes_on_with_more() -> None:
    how = ["--epochs", 2, "--no-report", "--callback", "ema"]
    assert pellucid("train", "moons", *how, "--out", "whole").exit_code == 0
    part = pellucid("train", "moons", *how, "--callback", "time-limit:limit=0.000001s", "--out", "part")
    assert "The time limit of 1e-06 s is over. Stopped after step 0 (epoch 1 of 2)" in part.output
    assert "pellucid train --resume part --callback time-limit:limit=2e-06s" in part.output
    more = pellucid("train", "--resume", "part", "--callback", "time-limit:limit=1h", "--callback", "csv-logger")
    assert more.exit_code == 0, more.output
    kept = json.loads(Path("part/config.json").read_text())["config"]["callback"]
    assert kept == ["ema", "time-limit:limit=1h", "csv-logger"]
    assert Path("part/model.safetensors").read_bytes() == Path("whole/model.safetensors").read_bytes()


@pytest.mark.parametrize("schedule", ["constant", "cosine", "linear", "one-cycle"])
def test_the_schedules(schedule: str) -> None:
    result = pellucid(
        "train", "moons", "--epochs", 2, "--lr", 0.01, "--schedule", schedule, "--log-every", 1, "--out", "run"
    )
    assert result.exit_code == 0, result.output
    rates = [float(row["lr"]) for row in rows("run") if row["kind"] == "step"]
    steps = len(rates)
    if schedule == "constant":
        assert set(rates) == {0.01}
    elif schedule == "linear":
        assert rates == pytest.approx([0.01 * (1 - k / steps) for k in range(steps)])
    elif schedule == "cosine":
        assert rates[0] == 0.01
        assert rates[-1] < 0.001
        assert rates == sorted(rates, reverse=True)
    else:
        assert max(rates) == pytest.approx(0.01)
        assert rates[0] == pytest.approx(0.01 / 25)
        assert 0 < rates.index(max(rates)) < steps - 1


# Optimisers and schedulers that nothing lists


def optimizers() -> list[str]:
    return [
        name.lower()
        for name, kind in vars(optim).items()
        if isinstance(kind, type) and issubclass(kind, optim.Optimizer) and kind is not optim.Optimizer
    ]


def test_every_optimiser_and_scheduler_is_an_option_by_existing() -> None:
    assert sorted(OPTIMIZERS.kinds) == sorted(set(optimizers()) - {"sparseadam"})  # it says why
    kinds = [kind for kind in vars(optim.lr_scheduler).values() if isinstance(kind, type)]
    named = {kind for kind in kinds if issubclass(kind, optim.lr_scheduler.LRScheduler)}
    missing = {kind.__name__ for kind in named - set(SCHEDULERS.kinds.values())}
    # Those that need a function or other schedulers, and what schedules are derived from.
    words = {"LRScheduler", "_LRScheduler", "LambdaLR", "MultiplicativeLR", "SequentialLR", "ChainedScheduler"}
    assert missing <= words


@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_every_optimiser_trains_from_the_command_line(name: str) -> None:
    result = pellucid("train", "moons", "--optimizer", name, "--epochs", 1, "--out", "run")
    assert result.exit_code == 0, result.output
    assert json.loads(Path("run/config.json").read_text())["config"]["optimizer"] == name


def test_an_optimiser_that_computes_the_loss_again_resumes_to_the_same_bits() -> None:
    words = ["moons", "--optimizer", "lbfgs:max_iter=4", "--batch-size", 500]
    assert pellucid("train", *words, "--epochs", 2, "--out", "whole").exit_code == 0
    assert pellucid("train", *words, "--epochs", 1, "--out", "part").exit_code == 0
    assert pellucid("train", "--resume", "part", "--epochs", 2).exit_code == 0
    assert Path("part/model.safetensors").read_bytes() == Path("whole/model.safetensors").read_bytes()
    assert [row["train_loss"] for row in rows("part")] == [row["train_loss"] for row in rows("whole")]


def test_lbfgs_ends_before_it_overfits_a_small_table_and_keeps_its_best() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 6))
    y = x[:, 0] + x[:, 1] + rng.normal(size=120)
    header = ",".join([*"abcdef", "y"])
    np.savetxt("noisy.csv", np.column_stack([x, y]), delimiter=",", header=header, comments="")
    words = ["noisy.csv", "--target", "y", "--optimizer", "lbfgs", "--out", "run"]
    result = pellucid("train", *words)
    assert result.exit_code == 0, result.output
    summary = json.loads(Path("run/summary.json").read_text())
    losses = [float(row["val_loss"]) for row in rows("run") if row["kind"] == "epoch"]
    assert summary["epochs"] == len(losses) < 30
    assert summary["val_loss"] == pytest.approx(min(losses))
    assert summary["val_loss"] < losses[-1]
    assert losses[summary["kept_epoch"] - 1] == min(losses)
    (kept,) = read_runs([Path("run")])  # which the page, `runs` and `compare` show
    assert kept.kept["val_loss"] == pytest.approx(min(losses))
    assert "the model has the weights of then" in result.output and "To predict:" in result.output
    learner = resume(Path("run")).learner  # and these are the weights in the file
    saved = read("run/model.safetensors").arrays
    learner.model.load_state_dict({name: tensor(array) for name, array in saved.items()})
    assert learner.evaluate()["loss"] == pytest.approx(min(losses), rel=1e-5)


def test_lbfgs_ends_as_asked_where_that_is_said() -> None:
    ends = ["--callback", "early-stopping:patience=2,restore_best=false"]
    words = ["moons", "--optimizer", "lbfgs:max_iter=4", "--epochs", 2, "--out", "run"]
    assert pellucid("train", *words, *ends).exit_code == 0
    config = json.loads(Path("run/config.json").read_text())["config"]
    assert (config["callback"], config["optimizer"]) == ([ends[1]], "lbfgs:max_iter=4")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["moons", "--optimizer", "sparse-adam"], "SparseAdam takes the sparse gradients of nn.Embedding(sparse=True)"),
        (["moons", "--optimizer", "muon", "--model", "logistic"], "matrices of hidden layers, and this network has"),
        (["moons", "--optimizer", "lbfgs", "--weight-decay", 0.1], "lbfgs has none to set"),
        (["moons", "--optimizer", "lbfgs", "--callback", "gradient-clip:norm=1"], "GradientClip cannot change"),
    ],
)
def test_an_optimiser_says_what_it_cannot_train(words: list[Any], reason: str) -> None:
    result = pellucid("train", *words, "--epochs", 1, "--out", "run")
    assert result.exit_code == 2 and reason in " ".join(result.stderr.split()), result.output


def test_muon_takes_the_matrices_between_the_layers_and_adamw_the_rest() -> None:
    net = nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 6), nn.Conv1d(6, 6, 1), nn.Linear(6, 6), nn.Linear(6, 2))
    muon, rest = groups_of(net)
    assert [tuple(p.shape) for p in muon["params"]] == [(6, 4), (6, 6)]
    apart = [
        optim.Muon(muon["params"], lr=0.1, adjust_lr_fn="match_rms_adamw"),
        optim.AdamW(rest["params"], lr=0.1, weight_decay=0.1),
    ]
    for p in net.parameters():
        p.grad = p.detach().clone()
    twin = copy.deepcopy(net)
    for mine, other in zip(net.parameters(), twin.parameters(), strict=True):
        other.grad = mine.grad.clone()
    for _ in range(3):
        for optimizer in apart:
            optimizer.step()
    together = MuonAndAdamW(groups_of(twin), lr=0.1)
    for _ in range(3):
        together.step()
    assert all(bool((a == b).all()) for a, b in zip(net.parameters(), twin.parameters(), strict=True))


def test_an_optimiser_takes_its_own_arguments() -> None:
    made = OPTIMIZERS.make("RMSprop: alpha = 0.9, centered=true", [tensor([1.0])], lr=0.5, momentum=0.1)
    assert made.defaults["alpha"] == 0.9 and made.defaults["centered"] is True and made.defaults["momentum"] == 0.1
    betas = OPTIMIZERS.make("adam:betas=0.8/0.9", [tensor([1.0])], lr=0.5, momentum=0).defaults["betas"]
    assert tuple(betas) == (0.8, 0.9)


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        ("step-lr:step_size=1,gamma=0.5", [0.1, 0.05, 0.025, 0.0125]),
        ("multi-step-lr:milestones=1/3,gamma=0.1", [0.1, 0.01, 0.01, 0.001]),
        ("exponential-lr:gamma=0.5", [0.1, 0.05, 0.025, 0.0125]),
        ("cosine-annealing-lr:T_max=2", [0.1, 0.05, 0.0, 0.05]),
    ],
)
def test_schedulers_of_pytorch_take_a_step_each_epoch(schedule: str, rates: list[float]) -> None:
    words = ["moons", "--lr", 0.1, "--schedule", schedule]
    assert pellucid("train", *words, "--epochs", 4, "--out", "run").exit_code == 0
    seen = {int(row["epoch"]): float(row["lr"]) for row in rows("run") if row["kind"] == "step"}
    assert [seen[epoch] for epoch in (1, 2, 3, 4)] == pytest.approx(rates)


@pytest.mark.parametrize(
    "schedule",
    [
        "multi-step-lr:milestones=1/3",
        "reduce-lr-on-plateau:patience=0,threshold=9",
        "cyclic-lr:base_lr=0.001,max_lr=0.1,step_size_up=40,cycle_momentum=false",
    ],
)
def test_a_resumed_schedule_is_that_of_the_whole_run(schedule: str) -> None:
    words = ["moons", "--lr", 0.1, "--schedule", schedule]
    assert pellucid("train", *words, "--epochs", 4, "--out", "whole").exit_code == 0
    assert pellucid("train", *words, "--epochs", 2, "--out", "part").exit_code == 0
    assert pellucid("train", "--resume", "part", "--epochs", 4).exit_code == 0
    assert Path("part/model.safetensors").read_bytes() == Path("whole/model.safetensors").read_bytes()


def test_a_schedule_that_counts_steps_is_given_their_number_and_goes_on_when_resumed() -> None:
    options = {"dataset": "moons", "lr": 0.1, "schedule": "one-cycle-lr:max_lr=0.1", "epochs": 4, "log_every": 1}
    whole = start(options, Path("whole"))
    assert whole.run() == "complete"
    part = start(options, Path("part"))
    part.learner.add(StopAt(70, part))
    assert part.run() == "stopped"
    assert resume(Path("part")).run() == "complete"
    assert Path("part/model.safetensors").read_bytes() == Path("whole/model.safetensors").read_bytes()
    rates = [float(row["lr"]) for row in rows("whole") if row["kind"] == "step"]
    assert rates[0] == pytest.approx(0.1 / 25) and max(rates) == pytest.approx(0.1) and rates[-1] < 1e-5


class StopAt(Callback):
    def __init__(self, step: int, session: RunSession) -> None:
        self.step, self.session = step, session

    def after_batch(self, learner: Any) -> None:
        if learner.step == self.step:
            self.session.stop()


def test_an_option_is_said_in_one_place() -> None:
    """A field of Config is an option of every command that trains: with its help, its check and its completion."""
    fields = {field.name for field in dataclasses.fields(Config)}
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for name in ("train", "sweep", "find-lr", "graph"):
        options = {parameter.name: parameter for parameter in commands[name].params}
        for field in fields & set(options):
            assert options[field].help == SETTINGS[field].help
        assert name not in ("train", "sweep") or fields <= set(options)
    package = Path(__file__).parent.parent / "src/pellucid"
    files = [*package.glob("cli/*.py"), *package.glob("experiments/*.py")]
    naming = {path.name for path in files if re.search(r"\bval_fraction\b", path.read_text(encoding="utf-8"))}
    assert naming <= {"config.py", "recipes.py", "data.py", "replay.py"}  # and where it is used
