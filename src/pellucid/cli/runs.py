"""`pellucid runs`: a table of the runs below a folder."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from pellucid.experiments.listing import Listed, listing, matching, ordered

NARROW = 100  # columns of a terminal
WIDE = 1000  # in a file or a pipe no line is broken


def runs(
    folder: Annotated[Path, typer.Argument(help="The folder below which the runs lie.", metavar="FOLDER")] = Path(
        "runs"
    ),
    sort: Annotated[
        str | None,
        typer.Option(help="The column or setting to sort by, the best first: val-accuracy, val-loss, lr, seconds, …"),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--filter",
            metavar="KEY=VALUE",
            help="Show only runs with this column or setting, such as model=mlp* or state=complete. May be repeated.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead, with all settings of each run.")] = False,
) -> None:
    """Show the runs below FOLDER, the newest first: data, model, figures, and how each ended.

    A run is running, complete, stopped (and can be gone on with: pellucid train --resume RUN), diverged, or did not
    learn more than chance.

    Example: pellucid runs --filter data=digits --sort val-accuracy
    """
    found, problems = listing(folder)
    shown = matching(found, where or [])
    if sort is not None:
        shown = ordered(shown, sort)
    if as_json:
        print(json.dumps([_record(run) for run in shown], indent=2))
    elif shown:
        console = Console(highlight=False, markup=False, emoji=False)
        if not console.is_terminal:
            console.width = WIDE
        console.print(table(shown, narrow=console.width < NARROW))
    else:
        print(f"There are no runs in {folder}." if not found else f"None of the {len(found)} runs fits.")
    for problem in problems:
        print(f"pellucid: {problem}", file=sys.stderr)


def table(shown: list[Listed], narrow: bool = False) -> Table:
    """A line for each run; a figure that none of them has gets no column, and in a narrow terminal fewer are shown."""
    result = Table(box=None, pad_edge=False)
    figures = [
        name for name in ("val_accuracy", "val_r2", "val_loss") if any(run.values[name] is not None for run in shown)
    ]
    result.add_column("run", overflow="fold")
    names = ["data", "model", "lr", "epochs", *figures, "seconds", "state"]
    if narrow:  # the name of a run says its data, unless --out gave it another
        names = [name for name in names if name not in ("data", "seconds")]
    for name in names:
        wraps = name in ("data", "model")
        result.add_column(
            name.replace("_", " "),
            justify="left" if wraps or name == "state" else "right",
            overflow="fold",
            no_wrap=name in ("epochs", "state"),
        )
    for run in shown:
        result.add_row(run.values["name"], *(_cell(run, name) for name in names))
    return result


def _cell(run: Listed, name: str) -> str:
    value = run.values[name]
    if name == "epochs":
        return f"{value}/{run.values['asked']}"
    forms = {"lr": "g", "seconds": ".1f"}
    return _figure(value, forms.get(name, ".4f")) if not isinstance(value, str) else value


def _figure(value: Any, form: str) -> str:
    return format(value, form) if isinstance(value, int | float) else "–"


def _record(run: Listed) -> dict[str, Any]:
    # JSON has no NaN.
    values = {name: None if value != value else value for name, value in run.values.items()}
    return {**values, "folder": str(run.path), "settings": run.settings}
