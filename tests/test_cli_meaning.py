"""What runs say beside one another, what an exported network's numbers mean, and that a long epoch is not silent."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from typer.testing import CliRunner

from pellucid.cli.program import app
from pellucid.experiments.network import forward, trained
from pellucid.experiments.options import from_json
from pellucid.train import RunFolder
from pellucid.train.callbacks import lines as lines_of_a_run
from tests.trained import Runs


def pellucid(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    folder = tmp_path_factory.mktemp("meaning")
    rng = np.random.default_rng(0)
    rows = [
        f"2024-01-{1 + i % 28:02d} {i % 24}:30,{'' if i % 9 == 4 else round(rng.gamma(2, 30), 2)},{'abc'[i % 3]},"
        f"{'rare' if i % 7 == 0 else 'usual'},{10 + i % 13}.5"
        for i in range(84)
    ]
    (folder / "t.csv").write_text("day,spend,town,kind,price\n" + "\n".join(rows) + "\n")
    table: list[object] = [folder / "t.csv", "--missing", "indicator", "--target"]
    words: dict[str, list[object]] = {
        "plain": [*table, "kind", "--ignore", "price"],
        "weighed": [*table, "kind", "--ignore", "price", "--class-weights", "balanced"],
        "price": [*table, "price"],
    }
    return Runs(folder, words, "--epochs", "2", "--quiet", "--no-report")


def test_losses_that_weigh_otherwise_do_not_stand_side_by_side(runs: Runs, tmp_path: Path) -> None:
    how = ["--out", tmp_path / "c.png", "--json", tmp_path / "c.json", "--no-replay"]
    told = pellucid("compare", runs / "plain", runs / "weighed", *how)
    assert told.exit_code == 0, told.output
    assert "weigh the classes differently" in told.output and "val accuracy" in told.output
    assert "val loss" not in told.output and "train loss" not in told.output
    assert "val_loss" in json.loads((tmp_path / "c.json").read_text())["figures"]
    told = pellucid("compare", runs / "plain", runs / "plain", *how)
    assert "val loss" in told.output and "differently" not in told.output


def test_an_absolute_error_has_that_of_the_mean_beside_it(runs: Runs) -> None:
    summary = json.loads((runs / "price" / "summary.json").read_text())
    prices = np.array([10.5 + i % 13 for i in range(84)])
    assert summary["chance_mae"] == pytest.approx(np.abs(prices - prices.mean()).mean(), rel=0.35)


@pytest.mark.parametrize("name", ["plain", "price"])
def test_an_exported_network_says_what_its_numbers_mean(name: str, runs: Runs, tmp_path: Path) -> None:
    run = runs / name
    assert pellucid("export", run, "--onnx", tmp_path / "net.onnx").exit_code == 0
    about = {entry.key: entry.value for entry in onnx.load(str(tmp_path / "net.onnx")).metadata_props}
    inputs, said = json.loads(about["inputs"]), json.loads(about["outputs"])
    stored = json.loads((run / "config.json").read_text())
    data, facts = stored["data"], stored["data"]["facts"]
    assert [line.partition(": ")[0] for line in inputs] == data["features"]
    # A row made by these sentences alone is what the network is given for it.
    made = []
    for line in inputs:
        name_, _, how = line.partition(": ")
        if name_ in ("day", "spend"):
            value = {"day": 19754 + 6.5 / 24, "spend": 40.0}[name_]
            mean, std = (float(part) for part in how.partition(";")[0].replace(" - ", ") / ").split(") / ")[1:])
            made.append((value - mean) / std)
        elif "hour" in name_:
            assert ("sin" if "(sine" in name_ else "cos") in how
            made.append((np.sin if "(sine" in name_ else np.cos)(2 * np.pi * 6.5 / 24))
        else:
            made.append(float(name_ == "town=b" or name_ == "kind=rare"))
    (tmp_path / "new.csv").write_text("day,spend,town,kind\n2024-02-01 6:30,40,b,rare\n")
    asked = pellucid("predict", run, tmp_path / "new.csv", "--out", tmp_path / "out.csv")
    assert asked.exit_code == 0, asked.output
    head, row = (line.split(",") for line in (tmp_path / "out.csv").read_text().splitlines())
    outputs = forward(trained(RunFolder(run), from_json(stored["config"]), data), np.array([made], np.float32))[0]
    if name == "plain":
        assert "logit" in said and "softmax" in said
        share = np.exp(outputs[0]) / np.exp(outputs).sum()
        assert float(row[head.index("p(rare)")]) == pytest.approx(share, rel=1e-4)
    else:
        assert said.startswith("the target, standardised: price = output * ")
        expected = outputs[0] * facts["target_std"] + facts["target_mean"]
        assert float(row[head.index("prediction")]) == pytest.approx(expected, rel=1e-5)


@dataclasses.dataclass
class Fit:
    epoch: int = 0
    epochs: int = 3
    batch: int = 7
    train_loss: float = 0.5
    loader: Any = dataclasses.field(default_factory=lambda: range(100))


def test_a_long_epoch_is_not_silent_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = [0.0]
    monkeypatch.setattr(lines_of_a_run.time, "perf_counter", lambda: seconds[0])
    written: list[str] = []
    lines = lines_of_a_run.Lines(written.append)
    fit: Any = Fit()
    lines.before_fit(fit)
    for _ in range(25):
        seconds[0] += 1
        lines.after_batch(fit)
    assert written == [f"epoch 1/3  batch 7 of 100  loss 0.5000  {s}.0 s" for s in (10, 20)]
