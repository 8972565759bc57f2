"""`pellucid find-lr`: what it prints and draws, and what it says where there is nothing to suggest."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pellucid.cli.program import app


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def pellucid(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def suggested(output: str, name: str) -> float:
    found = re.search(rf"{re.escape(name)}, .*│ +([\d.e-]+) │", output)
    assert found is not None, output
    return float(found[1])


def test_it_suggests_and_draws() -> None:
    result = pellucid("find-lr", "digits", "--model", "mlp:32", "--optimizer", "sgd", "--seed", 1)
    assert result.exit_code == 0, result.output
    assert "digits · mlp:32 (2,410 parameters) · sgd, batch 32, cross-entropy, seed 1" in result.output
    best = suggested(result.output, "best")
    assert 0.01 < best < 2
    for name in ("steepest", "valley"):  # shown where they are no larger
        assert f"{name}, " not in result.output or 0.01 < suggested(result.output, name) <= best
    page = Path("lr-finder.html").read_text(encoding="utf-8")
    assert [path.name for path in Path().iterdir()] == ["lr-finder.html"]
    assert page.count("<svg") == 2 and f">{best:.2g}</span>" in page

    line = result.output.splitlines()[-1]
    assert line.startswith(
        "To train with the best: pellucid train digits --model mlp:32 --optimizer sgd --seed 1 --lr "
    )
    again = pellucid(*shlex.split(line.partition(": pellucid ")[2]), "--epochs", 1, "--no-report")
    assert again.exit_code == 0, again.output


def test_a_run_begins_with_the_network_that_was_looked_at() -> None:
    """The first losses of the curve are those of the run: same weights, same batches, and almost no steps."""
    from pellucid.cli.find_lr import make_learner
    from pellucid.experiments import data as source
    from pellucid.experiments import options as settings
    from pellucid.experiments.session import RunSession
    from pellucid.train import RunFolder

    options = settings.check({"dataset": "moons"})
    samples = source.load(options)
    config = settings.complete(options, source.classes_of(samples))
    found = make_learner(config, samples).lr_find(start=1e-12, end=1e-11, steps=10)
    session = RunSession(config, samples, RunFolder("run"))
    session.model.train()
    inputs, target = next(iter(session.loaders.train))
    assert found.losses[0] == session.learner.loss_function(session.model(inputs), target).item()


def test_quiet_is_for_programs() -> None:
    result = pellucid("find-lr", "moons", "--quiet", "--out", "curve.svg")
    assert result.exit_code == 0
    assert 1e-4 < float(result.stdout) < 1
    assert Path("curve.svg").read_text().startswith("<?xml")


def test_no_usable_region() -> None:
    result = pellucid("find-lr", "digits", "--end", 1e-5, "--steps", 40)
    assert result.exit_code == 1
    assert (
        "There is no learning rate to suggest: the loss is flat: from a learning rate of 1e-07 to 1e-05"
        in result.output
    )
    page = Path("lr-finder.html").read_text(encoding="utf-8")
    assert "There is no learning rate to suggest" in page and 'class="headlines"' not in page
    result = pellucid("find-lr", "digits", "--end", 1e-5, "--steps", 40, "--quiet")
    assert (result.exit_code, result.stdout) == (1, "")


def test_a_curve_that_ends_too_early_is_noted() -> None:
    result = pellucid("find-lr", "digits", "--end", 0.02)
    assert result.exit_code == 0
    assert "Note: the loss still falls at the largest rate" in result.output


def test_callbacks_that_change_the_steps() -> None:
    result = pellucid("find-lr", "digits", "--callback", "gradient-clip:norm=0.5", "--callback", "accumulate:batches=2")
    assert result.exit_code == 0, result.output
    assert "--callback gradient-clip:norm=0.5 --callback accumulate:batches=2 --lr" in result.output


def test_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    from pellucid.train import Learner

    def interrupt(self: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Learner, "lr_find", interrupt)
    result = pellucid("find-lr", "digits")
    assert result.exit_code == 130
    assert "Interrupted; nothing was written." in result.output
    assert not list(Path().iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nope",), "Unknown data set 'nope'"),
        (("digits", "--out", "curve.gif"), "the file must end in .html, .png, .svg or .pdf. Write --out curve.html."),
        (("digits", "--out", "no/where.png"), "There is no folder"),
        (("digits", "--steps", 3), "--steps 3: lr_find needs at least 10 steps"),
        (
            ("digits", "--start", 1, "--end", 0.1),
            "--start 1 --end 0.1 --steps 100: lr_find tries rates from start to end",
        ),
        (("digits", "--momentum", 0.9), "--momentum belongs to muon, rmsprop and sgd"),
        (("digits", "--callback", "clip"), "Unknown callback 'clip'"),
    ],
)
def test_what_cannot_be_done(arguments: tuple[object, ...], message: str) -> None:
    result = pellucid("find-lr", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not list(Path().iterdir())


def test_the_help_has_an_example() -> None:
    result = pellucid("find-lr", "--help")
    assert result.exit_code == 0
    assert "Example: pellucid find-lr digits" in result.output
