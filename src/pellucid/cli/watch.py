"""`pellucid watch`: a run that another process trains, seen from outside while it goes on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from pellucid import shell
from pellucid.cli.chart import Points, draw
from pellucid.cli.interrupt import INTERRUPTED
from pellucid.experiments.following import Moment, follow, newest
from pellucid.experiments.sources import short_dataset
from pellucid.train.callbacks.lines import epoch_line

TALL = 12  # lines of the curve of the loss where the terminal is high enough
BESIDE = 12  # lines of everything else
TRAIN, VALID = "cyan", "yellow"


def watch(
    run: Annotated[
        Path | None,
        typer.Argument(
            help="The folder of a run. By default the newest below runs/.", metavar="[RUN]", show_default=False
        ),
    ] = None,
    every: Annotated[float, typer.Option(help="Seconds from one look at the folder to the next.", min=0.01)] = 0.5,
) -> None:
    """Watch RUN, the newest one by default, while it trains: progress, curves, and how it ends.

    In a terminal the view moves; in a file or a pipe there is a line for each epoch. It ends when the run ends, and
    Ctrl-C ends the view alone: the run goes on. Nothing is written to the folder of the run.

    Example: pellucid watch runs/slow
    """
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    path, others = newest(Path("runs")) if run is None else (run, [])
    if others:
        console.print(f"Running beside it: {', '.join(shell.quote(other) for other in others)}; pellucid watch RUN")
    moments = follow(path, lambda: time.sleep(every))
    try:
        last = _moving(moments, console) if console.is_terminal else _lines(moments, console)
    except KeyboardInterrupt:
        console.print(f"\nNo longer watched; the run in {path} is left as it is.")
        raise typer.Exit(INTERRUPTED) from None
    console.print(_ending(last))


def _lines(moments: Iterator[Moment], console: Console) -> Moment:
    """A line for each epoch, as `pellucid train` writes them."""
    moment = next(moments)
    console.print(_headline(moment))
    shown = _tell(moment, 0, console)
    for moment in moments:
        shown = _tell(moment, shown, console)
    return moment


def _tell(moment: Moment, shown: int, console: Console) -> int:
    """Print the epochs after the first `shown`, and count them all."""
    for row in moment.run.epochs[shown:]:
        figures = {name.replace("train_", ""): value for name, value in _figures(row).items()}
        console.print(epoch_line(row["epoch"], moment.epochs, figures, row.get("lr", 0.0), row.get("seconds", 0.0)))
    console.file.flush()  # whoever reads the pipe sees it now
    return len(moment.run.epochs)


def _moving(moments: Iterator[Moment], console: Console) -> Moment:
    """The same as a picture that is drawn anew in its place; the last one stays."""
    moment = next(moments)
    with Live(view(moment, console), console=console, auto_refresh=False, vertical_overflow="crop") as live:
        for moment in moments:
            live.update(view(moment, console), refresh=True)
    return moment


def view(moment: Moment, console: Console) -> Group:
    """The run at one moment: what it is, how far it is, its figures, the curves of the loss and of the metric."""
    run, width = moment.run, console.width
    plain = not (console.encoding or "").lower().startswith("utf")
    steps = [(row["step"], row["train_loss"]) for row in run.rows if row["kind"] == "step" and "train_loss" in row]
    if not steps:
        steps = _points(run.epochs, "train_loss")
    validation = _points(run.epochs, "val_loss")
    metric = next((name for name in ("val_accuracy", "val_r2") if any(name in row for row in run.epochs)), None)
    tall = max(4, min(TALL, console.height - BESIDE - (6 if metric else 0)))
    parts: list[Any] = [Text(_headline(moment), style="bold"), _bar(moment)]
    if run.epochs:
        last = run.epochs[-1]
        parts.append(Text("  ".join(f"{_spoken(name)} {value:.4f}" for name, value in _figures(last).items())))
    if steps:
        legend = Text.assemble("loss: ", ("train", TRAIN), *([" and ", ("validation", VALID)] if validation else []))
        curves = {"train": (steps, TRAIN), "validation": (validation, VALID)}
        parts += [Text(), legend, draw(curves, width, tall, plain)]
    if metric and len(run.epochs) > 1:
        parts += [Text(), Text(_spoken(metric)), draw({metric: (_points(run.epochs, metric), VALID)}, width, 4, plain)]
    return Group(*parts)


def _bar(moment: Moment) -> Table:
    row = Table.grid(padding=(0, 1), expand=True)
    row.add_column(no_wrap=True)
    row.add_column(ratio=1)
    row.add_column(no_wrap=True)
    done = moment.run.epochs[-1]["epoch"] if moment.run.epochs else 0
    of = f"step {moment.run.steps:,}" + (f" of {moment.steps:,}" if moment.steps else "")
    left = _left(moment)
    row.add_row(
        f"{moment.state}, epoch {min(done + (moment.state == 'running'), moment.epochs)} of {moment.epochs}",
        ProgressBar(total=1.0, completed=moment.progress),
        f"{moment.progress:.0%}  {of}" + (f"  about {left} left" if left else ""),
    )
    return row


def _left(moment: Moment) -> str:
    """How long the rest takes if it goes on as it went; empty where that is not known."""
    spent = moment.run.rows[-1].get("seconds", 0.0) if moment.run.rows else 0.0
    if moment.state != "running" or not 0 < moment.progress < 1:
        return ""
    seconds = round(spent * (1 - moment.progress) / moment.progress)
    return f"{seconds // 60}:{seconds % 60:02d}" if seconds < 3600 else f"{seconds / 3600:.1f} h"


def _headline(moment: Moment) -> str:
    settings = moment.run.config
    what = f"{short_dataset(str(settings.get('dataset', '?')))}, {settings.get('model', '?')}"
    return f"{moment.run.path}: {what}, {settings.get('optimizer', '?')} lr {settings.get('lr', 0.0):g}"


def _ending(moment: Moment) -> str:
    """How the run ended, and what to do next."""
    path = shell.quote(moment.run.path)
    after = {
        "stopped": f"To go on: pellucid train --resume {path}",
        "diverged": f"Its numbers were no longer numbers. To ask why: pellucid doctor {path}",
        "did not learn": f"It is no better than chance. To ask why: pellucid doctor {path}",
    }
    done = moment.run.epochs[-1]["epoch"] if moment.run.epochs else 0
    return f"{moment.state}: {done} of {moment.epochs} epochs. {after.get(moment.state, '')}".rstrip()


def _figures(row: dict[str, Any]) -> dict[str, float]:
    return {
        name: value for name, value in row.items() if name.startswith(("train_", "val_")) and isinstance(value, float)
    }


def _points(rows: list[dict[str, Any]], name: str) -> Points:
    return [(row["step"], row[name]) for row in rows if name in row]


def _spoken(name: str) -> str:
    return name.replace("val_", "validation ").replace("train_", "train ").replace("_", " ")
