"""`pellucid find-lr DATASET`: which learning rate to train with, before training."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from pellucid import viz
from pellucid.cli.interrupt import INTERRUPTED
from pellucid.cli.screen import table
from pellucid.experiments import build
from pellucid.experiments import config as settings
from pellucid.experiments import data as source
from pellucid.experiments.config import Config, Options
from pellucid.experiments.errors import UsageError
from pellucid.train import Learner, LRFinder

_ENDINGS = (".png", ".svg", ".pdf")


def find_lr(
    dataset: Annotated[
        str | None,
        typer.Argument(
            help="digits, mnist, circle, moons, spirals, or the path of a CSV file.",
            show_default="digits",
            metavar="DATASET",
        ),
    ] = None,
    target: Annotated[str | None, typer.Option(help="The column of the CSV file to predict.")] = None,
    data: Annotated[
        str | None, typer.Option(help="The folder with MNIST's four files; without it, the cache or a download.")
    ] = None,
    balance: Annotated[
        float | None, typer.Option(help="circle: the share of points inside.", show_default="0.5")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="logistic, mlp:SIZES (such as mlp:128,64) or cnn.", show_default="by data set")
    ] = None,
    activation: Annotated[
        str | None, typer.Option(help=", ".join(settings.ACTIVATIONS) + ".", show_default="relu")
    ] = None,
    loss: Annotated[
        str | None, typer.Option(help="cross-entropy, mse or bce.", show_default="cross-entropy; mse for a real target")
    ] = None,
    optimizer: Annotated[str | None, typer.Option(help="sgd, adam or adamw.", show_default="by data set")] = None,
    momentum: Annotated[float | None, typer.Option(help="Momentum of sgd.", show_default="0")] = None,
    weight_decay: Annotated[float | None, typer.Option(help="Weight decay.", show_default="0; adamw 0.01")] = None,
    callback: Annotated[
        list[str] | None,
        typer.Option(
            help="A callback that changes the steps, such as gradient-clip:norm=1. May be repeated.",
            show_default=False,
        ),
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="Samples per step.", show_default="by data set")] = None,
    val_fraction: Annotated[
        float | None, typer.Option(help="Part of the samples kept for validation.", show_default="0.2; mnist 1/12")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Decides weights, split, order and dropout.", show_default="0")
    ] = None,
    device: Annotated[str | None, typer.Option(help="cpu or cuda (which needs CuPy).", show_default="cpu")] = None,
    start: Annotated[float, typer.Option(help="The smallest rate to try.")] = 1e-7,
    end: Annotated[float, typer.Option(help="The largest rate to try.")] = 10.0,
    steps: Annotated[int, typer.Option(help="How many rates to try, a batch for each.")] = 100,
    out: Annotated[Path, typer.Option(help="The picture: .png, .svg or .pdf.")] = Path("lr-finder.png"),
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but the rate of the valley.")] = False,
) -> None:
    """Find a learning rate for training on DATASET: train for a moment with ever larger ones, and look at the loss.

    Prints the suggestions and draws the curve. The network is the one that `pellucid train` would begin with for the
    same options; nothing of it is kept. Where the curve says nothing, that is what is said, and the exit code is 1.

    Example: pellucid find-lr digits --model mlp:128,64 --optimizer sgd
    """
    every = locals()
    names = (
        "dataset", "target", "data", "balance", "model", "activation", "loss", "optimizer", "momentum", "weight_decay",
        "callback", "batch_size", "val_fraction", "seed", "device",
    )  # fmt: skip
    given = {name: every[name] for name in names if every[name] not in (None, [])}
    if out.suffix.lower() not in _ENDINGS:
        raise UsageError(f"--out {out}: the picture is one of {', '.join(_ENDINGS)}. Write --out {out.stem}.png.")
    if not out.absolute().parent.is_dir():
        raise UsageError(f"There is no folder {out.absolute().parent} to write {out.name} to.")
    options = settings.check(given)
    samples = source.load({**options, "quiet": quiet})
    config = settings.complete(options, source.classes_of(samples))
    learner = make_learner(config, samples)
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True, quiet=quiet)
    console.print(f"{samples.description}\n{headline(config, learner)}")
    try:
        result = learner.lr_find(start=start, end=end, steps=steps)
    except KeyboardInterrupt:
        console.print("Interrupted; nothing was written.")
        raise typer.Exit(INTERRUPTED) from None
    except ValueError as error:
        raise UsageError(f"--start {start:g} --end {end:g} --steps {steps}: {error}") from error
    viz.lr_finder(result, title=config.title, save=out)
    tell(console, result, config, given, out)
    if quiet and result.usable:
        print(f"{result.suggestions['valley']:.2g}")
    if not result.usable:
        raise typer.Exit(1)


def make_learner(config: Config, samples: Any) -> Learner:
    """The learner that `pellucid train` would begin with, but for its schedule and what records it."""
    loaders = source.loaders(samples, config.batch_size, config.seed, config.device)
    return build.learner(config, samples, loaders, build.callbacks(config, Path(), scheduled=False))


def headline(config: Config, learner: Learner) -> str:
    parameters = sum(parameter.numel() for parameter in learner.model.parameters())
    how = ", ".join([config.optimizer, f"batch {config.batch_size}", config.loss, *config.callback])
    return f"{config.title} ({parameters:,} parameters) · {how}, seed {config.seed}"


def tell(console: Console, result: LRFinder, config: Config, given: Options, out: Path) -> None:
    """The suggestions, and what to do with them."""
    if not result.usable:
        console.print(f"There is no learning rate to suggest: {result.reason}.\nPicture: {out}")
        return
    meaning = {
        "steepest": "where the loss falls fastest",
        "valley": "two thirds into the fall",
        "minimum/10": "a tenth of where the loss is least",
    }
    rows = [(f"{name}, {meaning[name]}", f"{rate:.2g}") for name, rate in result.suggestions.items()]
    tried = f"{result.lrs[0]:.2g} to {result.lrs[-1]:.2g}, {len(result.lrs)} steps"
    console.print(table("Suggested learning rates", [*rows, ("tried", tried)]))
    if result.reason:
        console.print(f"Note: {result.reason}.")
    words = ["pellucid", "train", *([given["dataset"]] if "dataset" in given else [])]
    for name, value in given.items():
        for one in value if isinstance(value, list) else [value]:
            words += [] if name == "dataset" else [f"--{name.replace('_', '-')}", str(one)]
    words += ["--lr", f"{result.suggestions['valley']:.2g}"]
    console.print(f"Picture: {out}\nTo train with the valley's: {shlex.join(words)}")
