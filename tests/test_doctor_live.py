"""The doctor in a session of Python: a model on its batches, a block that is watched, the callback of a Learner."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import pellucid as torch
from pellucid import doctor, nn, optim
from pellucid.cli.program import app
from pellucid.core import state
from pellucid.doctor.finding import Finding
from pellucid.doctor.live.lines import Lines
from pellucid.doctor.page import fragment, render
from pellucid.nn import functional as F
from pellucid.random.streams import program_streams, stream_state
from pellucid.train import Learner
from pellucid.utils.data import DataLoader, TensorDataset


def rows(n: int = 120) -> tuple[Any, Any]:
    x = torch.randn(n, 4)
    return x, (x[:, 0] > 0).long() + (x[:, 1] > 0).long()


def batches(size: int = 20, shuffle: bool = True) -> Any:
    return DataLoader(TensorDataset(*rows()), batch_size=size, shuffle=shuffle)


def network(*last: Any) -> Any:
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.1), nn.Linear(8, 3), *last)


class Double(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return 2 * x

    @staticmethod
    def backward(ctx: Any, grad: Any) -> Any:
        return 2 * grad


class Restless(nn.Module):
    """Draws from every stream, counts its calls, and keeps a generator of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.calls, self.own = network(), 0, np.random.default_rng(3)

    def forward(self, x: Any) -> Any:
        self.calls += 1
        noise = random.random() + np.random.rand() + self.own.random()  # noqa: NPY002
        return Double.apply(self.body(x)) + 1e-3 * noise


def everything(model: Any, optimizer: Any) -> list[Any]:
    """Whatever a training changes, as bytes."""
    found: list[Any] = [model.calls, model.own.bit_generator.state["state"], [m.training for m in model.modules()]]
    found += [(name, value.numpy().tobytes()) for name, value in model.state_dict().items()]
    found += [None if p.grad is None else p.grad.numpy().tobytes() for p in model.parameters()]
    found.append(repr(optimizer.state_dict()["param_groups"]))
    for held in optimizer.state.values():
        found += [(name, v.numpy().tobytes() if hasattr(v, "numpy") else v) for name, v in held.items()]
    found.append({name: repr(stream_state(stream)) for name, stream in program_streams().items()})
    return found


def loop(model: Any, optimizer: Any, loader: Any, epochs: int = 2, evaluate: bool = True) -> None:
    for _ in range(epochs):
        for x, y in loader:
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
        with torch.no_grad():
            for x, _ in loader if evaluate else ():
                model(x)  # in train(), which the doctor looks into


def seeded() -> tuple[Any, Any, Any]:
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002
    random.seed(0)
    model = Restless()
    return model, optim.Adam(model.parameters(), lr=0.01), batches()


def causes(report: Any) -> list[str]:
    return [finding.cause for finding in report.findings]


# Nothing is changed ---------------------------------------------------------------------------------------------------


def test_examine_leaves_all_as_it_was() -> None:
    model, optimizer, loader = seeded()
    loop(model, optimizer, loader, 1)
    given = iter([(x, y) for x, y in loader])
    model.eval()
    before = everything(model, optimizer)
    report = doctor.examine(model, nn.CrossEntropyLoss(), optimizer, given, budget=30, steps=12)
    assert report.status in ("healthy", "faults")
    assert everything(model, optimizer) == before
    assert len(list(given)) == 6  # the iterator, too


def test_a_watched_block_computes_what_it_computes_alone() -> None:
    model, optimizer, loader = seeded()
    loop(model, optimizer, loader)
    alone = everything(model, optimizer)
    model, optimizer, loader = seeded()
    with doctor.watch(budget=60) as watched:
        loop(model, optimizer, loader)
    assert everything(model, optimizer) == alone
    assert watched.facts["steps"] == 12
    assert not state.watchers
    assert not state.interpreters


def test_the_callback_changes_nothing_in_a_fit() -> None:
    ends: list[Any] = []
    for callbacks in ([], [doctor.Doctor(budget=60, quiet=True)]):
        model, optimizer, loader = seeded()
        Learner(model, (loader, loader), nn.CrossEntropyLoss(), optimizer, callbacks=callbacks, defaults=()).fit(2)
        ends.append(everything(model, optimizer))
    assert ends[0] == ends[1]


# What is found --------------------------------------------------------------------------------------------------------


def test_examine_finds_a_softmax_too_many_and_tries_it_without() -> None:
    torch.manual_seed(0)
    model = network(nn.Softmax(dim=1))
    optimizer = optim.SGD(model.parameters(), lr=0.3)
    report = doctor.examine(model, nn.CrossEntropyLoss(), optimizer, batches(), budget=60, steps=40)
    assert report.status == "faults"
    assert report.findings[0].cause == "double-softmax"
    assert report.findings[0].code == "model = network(nn.Softmax(dim=1))"
    assert len(report.findings[0].fork["with the fix"]) > 10
    assert json.loads(report.to_json())["findings"][0]["cause"] == "double-softmax"
    assert "double-softmax" in repr(report)
    assert "double-softmax" in report._repr_html_()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cause", "make"),
    [
        ("lr-too-low", lambda p: optim.SGD(p, lr=1e-6)),
        ("parameter-not-optimized", lambda p: optim.SGD(nn.Linear(4, 3).parameters(), lr=0.1)),
    ],
)
def test_examine_finds_what_is_wrong_with_the_optimizer(cause: str, make: Callable[[Any], Any]) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))
    report = doctor.examine(model, nn.CrossEntropyLoss(), make(model.parameters()), batches(), budget=60, steps=60)
    assert causes(report)[:1] == [cause]


@pytest.mark.slow
def test_a_healthy_model_is_healthy_in_eval_too() -> None:
    torch.manual_seed(0)
    model = network()
    optimizer = optim.Adam(model.parameters(), lr=0.02)
    assert doctor.examine(model, nn.CrossEntropyLoss(), optimizer, batches(), budget=20, steps=60).status == "healthy"
    loop(model, optimizer, batches(), 20)
    model.eval()
    assert doctor.examine(model, nn.CrossEntropyLoss(), optimizer, batches(), budget=20, steps=60).status == "healthy"


@pytest.mark.slow
@pytest.mark.parametrize("given", ["loader", "list"])
def test_rows_in_the_order_of_their_classes(given: str) -> None:
    torch.manual_seed(0)
    x, y = rows(600)
    order = y.argsort()
    loader = DataLoader(TensorDataset(x[order], y[order]), batch_size=20)
    what = {"loader": loader, "list": list(loader)}[given]
    model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))
    report = doctor.examine(
        model, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), lr=0.5), what, budget=60, steps=60
    )
    assert report.status == "faults"
    assert "unshuffled-data" in causes(report)


@pytest.mark.slow
def test_watch_finds_gradients_that_were_kept_and_runs_the_block_again() -> None:
    torch.manual_seed(0)
    model = network()
    optimizer, (x, y) = optim.SGD(model.parameters(), lr=0.3), rows()
    with doctor.watch(budget=60) as watched:
        for i in range(24):
            F.cross_entropy(model(x[i % 6 :: 6]), y[i % 6 :: 6]).backward()
            optimizer.step()
    assert "missing-zero-grad" in causes(watched)
    finding = watched.findings[causes(watched).index("missing-zero-grad")]
    assert finding.verified is not None  # whatever came of it, it was tried
    assert finding.code.endswith(".backward()")
    assert watched.report is watched


class Private:
    """As some objects of other libraries are, which may be anywhere in the process."""

    @property
    def __class__(self) -> Any:
        raise RuntimeError("who asks?")


def test_watch_sees_an_optimizer_that_makes_no_step() -> None:
    private = [Private()]  # no one but the garbage collector knows of it
    torch.manual_seed(0)
    model = network()
    optimizer, (x, y) = optim.SGD(model.parameters(), lr=0.3), rows()
    with doctor.watch(budget=30) as watched:
        for _ in range(6):
            F.cross_entropy(model(x), y).backward()
    assert causes(watched)[:1] == ["parameter-not-optimized"]
    assert len(optimizer.state) == 0 and private


def test_watch_around_a_gan() -> None:
    torch.manual_seed(0)
    makes = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 2))
    tells = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1))
    makers, tellers = optim.Adam(makes.parameters(), lr=1e-3), optim.Adam(tells.parameters(), lr=1e-3)
    ones, zeros = torch.ones(16, 1), torch.zeros(16, 1)
    judge = F.binary_cross_entropy_with_logits
    with doctor.watch(budget=60) as watched:
        for _ in range(12):
            real, fake = torch.randn(16, 2) + 3, makes(torch.randn(16, 2))
            tellers.zero_grad()
            (judge(tells(real), ones) + judge(tells(fake.detach()), zeros)).backward()
            tellers.step()
            makers.zero_grad()
            judge(tells(fake), ones).backward()
            makers.step()
    assert watched.status == "healthy"


def test_an_error_in_a_watched_block_goes_on_with_a_note_of_its_cause() -> None:
    torch.manual_seed(0)
    model = network()
    x, y = rows()
    watch = doctor.watch()
    with pytest.raises((IndexError, RuntimeError)) as caught, watch:
        F.cross_entropy(model(x), y + 1).backward()
    assert "labels-off-by-one" in caught.value.__notes__[0]
    assert causes(watch.watched) == ["labels-off-by-one"]
    with pytest.raises(ZeroDivisionError), doctor.watch() as watched:
        _ = 1 / 0
    assert watched.status == "inconclusive"
    assert "ZeroDivisionError" in watched.reason
    assert not state.watchers


def test_a_block_without_training() -> None:
    with doctor.watch() as watched:
        assert "not over" in watched.reason
    assert watched.status == "inconclusive"
    assert "backward() was never called" in watched.reason


def test_a_watch_is_for_one_block_and_not_within_another() -> None:
    watch = doctor.watch(budget=1)
    with watch, pytest.raises(RuntimeError, match="one block is watched at a time"), doctor.watch():
        pass
    with pytest.raises(RuntimeError, match="anew for each block"), watch:
        pass
    with pytest.raises(ValueError, match="budget=0"):
        doctor.watch(budget=0)


@pytest.mark.slow
def test_the_callback_reports_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    model = network(nn.Softmax(dim=1))
    loader = batches()
    watching = doctor.Doctor(budget=60)
    optimizer = optim.SGD(model.parameters(), lr=0.3)
    Learner(model, loader, nn.CrossEntropyLoss(), optimizer, callbacks=[watching], defaults=()).fit(4)
    assert watching.report is not None
    assert causes(watching.report)[:1] == ["double-softmax"]
    assert "double-softmax" in capsys.readouterr().out


def test_the_callback_in_a_fit_that_fails() -> None:
    def fails(output: Any, target: Any) -> Any:
        return 1 / 0

    model, watching = network(), doctor.Doctor()
    learner = Learner(model, [rows()], fails, optim.SGD(model.parameters(), lr=0.1), callbacks=[watching], defaults=())
    with pytest.raises(ZeroDivisionError):
        learner.fit(1)
    assert watching.report is not None
    assert "ZeroDivisionError" in watching.report.reason
    assert not state.watchers


# What cannot be examined ----------------------------------------------------------------------------------------------


def ends() -> Iterator[Any]:
    yield from ()


MODEL = nn.Linear(4, 3)
SGD = optim.SGD(MODEL.parameters(), lr=0.1)
LOSS = nn.CrossEntropyLoss()
DATA = [(torch.zeros(2, 4), torch.zeros(2).long())]
USED = iter(DATA)
next(USED)


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ((nn.Linear, LOSS, SGD, DATA), TypeError, "is the class Linear"),
        ((MODEL, nn.CrossEntropyLoss, SGD, DATA), TypeError, "is the class CrossEntropyLoss"),
        ((nn.ReLU(), LOSS, SGD, DATA), ValueError, "ReLU has no parameters"),
        ((MODEL, SGD, LOSS, DATA), TypeError, "The loss is a SGD.*The order is examine"),
        ((MODEL, LOSS, LOSS, DATA), TypeError, "The optimizer is a CrossEntropyLoss.*no param_groups"),
        ((MODEL, LOSS, [SGD, SGD], DATA), TypeError, "There are 2 optimizers.*watch"),
        ((MODEL, LOSS, SGD, 3), TypeError, "The batches are a int"),
        ((MODEL, LOSS, SGD, DATA[0][0]), TypeError, "The batches are a Tensor.*pairs"),
        ((MODEL, LOSS, SGD, []), ValueError, "list has no batches"),
        ((MODEL, LOSS, SGD, USED), ValueError, "gave nothing: an iterator that was used up"),
        ((MODEL, LOSS, SGD, ends()), ValueError, "generator, gave nothing"),
        ((MODEL, LOSS, SGD, [torch.zeros(2, 4)]), TypeError, "A batch is a Tensor.*GAN"),
        ((MODEL, nn.CrossEntropyLoss(reduction="none"), SGD, DATA), ValueError, r"shape \(2,\).*one number"),
        ((MODEL, lambda out, y: F.cross_entropy(out, y).item(), SGD, DATA), TypeError, "gave a float"),
        ((MODEL, LOSS), TypeError, "optimizer, batches are missing"),
        ((MODEL, LOSS, SGD, DATA, DATA), TypeError, "was given 5 things"),
        ((DATA,), TypeError, "was given a list"),
        ((), TypeError, "was given nothing"),
    ],
)
def test_what_is_no_training_is_refused(given: tuple[Any, ...], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        doctor.examine(*given)


def test_names_that_examine_does_not_have() -> None:
    ask: Any = doctor.examine
    with pytest.raises(TypeError, match="'loss' twice"):
        ask(MODEL, LOSS, SGD, DATA, loss=LOSS)
    with pytest.raises(TypeError, match="no argument 'epochs'"):
        ask(lambda: None, epochs=3)
    assert doctor.examine(model=MODEL, loss=LOSS, optimizer=SGD, batches=DATA, budget=30, steps=3).facts["steps"] == 3


def test_an_error_of_the_users_is_reported_with_its_line() -> None:
    report = doctor.examine(MODEL, LOSS, SGD, [(torch.zeros(2, 7), torch.zeros(2).long())], budget=30)
    assert report.status == "inconclusive"
    assert report.exit_code == 2
    assert "linear(input: float32 (2, 7)" in report.reason
    assert "test_doctor_live.py:" in report.reason
    report = doctor.examine(MODEL, LOSS, SGD, [(torch.zeros(2, 4), torch.full((2,), 3).long())], budget=30)
    assert causes(report) == ["labels-off-by-one"]


# Where it was made, and how it is shown -------------------------------------------------------------------------------


def test_layers_are_found_where_their_class_makes_them() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Linear(4, 8)
            self.last = nn.Sequential(nn.ReLU(), nn.Softmax(dim=1))

    net = Net()
    lines = {type(layer).__name__: at for layer, at in Lines(sys._getframe()).of_layers(net)}
    source = Path(__file__).read_text(encoding="utf-8").splitlines()
    assert "self.first" in source[lines["Linear"][1] - 1]
    assert "self.last" in source[lines["Softmax"][1] - 1]


def test_a_report_in_a_notebook_leaves_the_notebooks_style_alone() -> None:
    report = doctor.Report("faults", [Finding("lr-too-high", "error", 1, "<e>", "x", "lr=1", "a.py", 3, "<b>")])
    shown = fragment(report)
    assert "&lt;b&gt;" in shown
    assert "<b>" not in shown
    style = shown.partition("<style>")[2].partition("</style>")[0]
    lines = [line.strip() for line in style.replace("}", "}\n").replace("{", "{\n").splitlines()]
    heads = [line for line in lines if line.endswith("{") and not line.startswith("@")]
    assert heads
    assert all(line.startswith(".pellucid-doctor") for line in heads)
    assert render(report).count("<main>") == shown.count("<main>") == 1


def test_a_report_is_saved_as_its_name_says(tmp_path: Path) -> None:
    report = doctor.Report("healthy")
    report.save(tmp_path / "report.html")
    report.save(tmp_path / "report.json")
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")
    assert json.loads((tmp_path / "report.json").read_text())["status"] == "healthy"


# A run of `pellucid train` --------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_run_that_did_not_learn_names_the_doctor_who_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    options = ["--epochs", "3", "--lr", "1e-5", "--optimizer", "sgd", "--schedule", "constant"]
    trained = CliRunner().invoke(app, ["train", "digits", *options, "--out", "run", "--no-report"])
    assert "It did not learn" in trained.output
    assert "always answering the most frequent class gets" in trained.output
    assert "To ask why: pellucid doctor run" in trained.output
    before = sorted((path, path.stat().st_mtime_ns) for path in Path("run").rglob("*"))
    told = CliRunner().invoke(app, ["doctor", "run", "--budget", "90", "--json", "report.json"])
    assert told.exit_code == 1, told.output
    assert json.loads(Path("report.json").read_text())["findings"][0]["cause"] == "lr-too-low"
    assert sorted((path, path.stat().st_mtime_ns) for path in Path("run").rglob("*")) == before
    refused = CliRunner().invoke(app, ["doctor", "run", "--fix"])
    assert "--fix changes a program" in refused.output
