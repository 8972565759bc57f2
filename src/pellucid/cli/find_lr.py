"""`pellucid find-lr DATASET`: which learning rate to train with, before training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from pellucid import viz
from pellucid.cli.interrupt import INTERRUPTED
from pellucid.cli.options import check_file, of_config
from pellucid.cli.screen import table
from pellucid.experiments import build, pages
from pellucid.experiments import data as source
from pellucid.experiments import options as settings
from pellucid.experiments.config import Config
from pellucid.experiments.errors import UsageError
from pellucid.train import Learner, LRFinder
from pellucid.viz import document

_ENDINGS = (".html", ".png", ".svg", ".pdf")


@of_config(without=pages.UNUSED)
def find_lr(
    start: Annotated[float, typer.Option(help="The smallest rate to try.")] = 1e-7,
    end: Annotated[float, typer.Option(help="The largest rate to try.")] = 10.0,
    steps: Annotated[int, typer.Option(help="How many rates to try, a batch for each.")] = 100,
    out: Annotated[
        Path, typer.Option(help="The page, .html; or the curve alone as a picture: .png, .svg or .pdf.")
    ] = Path("lr-finder.html"),
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but the best rate.")] = False,
    **given: Any,
) -> None:
    """Find a learning rate for training on DATASET: train for a moment with ever larger ones, look at the loss, and
    try what it suggests.

    Prints the suggestions, and writes them and the curve as a page. The network is the one that `pellucid train` would
    begin with for the same options; nothing of it is kept. Where the curve says nothing, that is what is said, and the
    exit code is 1.

    Example: pellucid find-lr digits --model mlp:128,64 --optimizer sgd
    """
    check_file("--out", out, _ENDINGS)
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
    again = settings.command(given, "--lr", f"{result.suggestions['best']:.2g}") if result.usable else ""
    if out.suffix.lower() == ".html":
        commands = [("To train with the best", again)] if again else []
        about = f"{samples.description}\n{headline(config, learner)}"
        document.save(pages.of_finder(result, config.title, about, config.options, commands), out)
    else:
        viz.lr_finder(result, title=config.title, save=out)
    tell(console, result, again, out)
    if quiet and result.usable:
        print(f"{result.suggestions['best']:.2g}")
    if not result.usable:
        raise typer.Exit(1)


def make_learner(config: Config, samples: Any) -> Learner:
    """The learner that `pellucid train` would begin with, but for its schedule and what records it."""
    loaders = source.loaders(samples, config.batch_size, config.seed, config.device)
    return build.learner(config, samples, loaders, scheduled=False)


def headline(config: Config, learner: Learner) -> str:
    parameters = sum(parameter.numel() for parameter in learner.model.parameters())
    how = ", ".join([config.optimizer, f"batch {config.batch_size}", config.loss, *config.callback])
    return f"{config.title} ({parameters:,} parameters) · {how}, seed {config.seed}"


def tell(console: Console, result: LRFinder, again: str, out: Path) -> None:
    """The suggestions, and what to do with them."""
    where = f"{'Page' if out.suffix.lower() == '.html' else 'Picture'}: {out}"
    if not result.usable:
        console.print(f"There is no learning rate to suggest: {result.reason}.\n{where}")
        return
    rows = [(f"{name}, {pages.MEANING[name]}", f"{rate:.2g}") for name, rate in result.suggestions.items() if rate]
    tried = f"{result.lrs[0]:.2g} to {result.lrs[-1]:.2g}, {len(result.lrs)} steps"
    console.print(table("Suggested learning rates", [*rows, ("searched", tried)]))
    if result.reason:
        console.print(f"Note: {result.reason}.")
    console.print(f"{where}\nTo train with the best: {again}")
