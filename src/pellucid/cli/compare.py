"""`pellucid compare RUN RUN …`: what differs between runs, in a table, in curves, and in the first step that does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from pellucid.cli.options import check_file
from pellucid.experiments import pages
from pellucid.experiments.comparison import ACROSS, Tables, as_record, as_text, comparison, run_table, same_loss
from pellucid.experiments.errors import UsageError
from pellucid.experiments.replay import first_divergence
from pellucid.experiments.runs import Run, read
from pellucid.experiments.stored import readable
from pellucid.train import write_json
from pellucid.viz import compare_curves, document

_ENDINGS = (".html", ".png", ".svg", ".pdf")


def compare(
    runs: Annotated[list[Path], typer.Argument(help="The folders of two or more runs.", metavar="RUN")],
    out: Annotated[
        Path, typer.Option(help="The page, .html; or the curves alone as a picture: .png, .svg or .pdf.")
    ] = Path("compare.html"),
    as_json: Annotated[Path | None, typer.Option("--json", help="Write everything to this file, too.")] = None,
    replay: Annotated[
        bool, typer.Option(help="Of two runs, repeat the steps in which they part. Otherwise compare checkpoints only.")
    ] = True,
) -> None:
    """Compare runs: the settings that differ, the figures, the curves laid over each other.

    Of two runs, say the first step at which they differ, and in which tensor: by repeating an epoch of each.

    Example: pellucid compare runs/digits-a runs/digits-b --out compare.html
    """
    if len(runs) < 2:
        raise UsageError("compare takes two runs or more. Write: pellucid compare RUN RUN.")
    check_file("--out", out, _ENDINGS)
    check_file("--json", as_json)
    with readable(runs[0].parent):
        read_runs = read(runs)
    console = Console(highlight=False, markup=False, emoji=False)
    tables = comparison(read_runs)
    alike = same_loss(read_runs)
    shown = tables if alike else _without_losses(tables)
    console.print(table(read_runs, shown))
    apart = (
        "Their losses are of different kinds, or weigh the classes differently: side by side they say nothing, and are "
        "left out."
    )
    if not alike:
        console.print(apart, soft_wrap=True)
    verdict, told = None, ""
    if len(read_runs) == 2:
        with console.status("Looking for the first step that differs …"):
            verdict = first_divergence(read_runs[0], read_runs[1], replay)
        told = as_text(verdict, read_runs)
        console.print(told, soft_wrap=True)
    measures = dict.fromkeys(name for run in read_runs for row in run.rows for name in row)
    show = [name for name in measures if name.startswith(("train_", "val_")) and (alike or "loss" not in name)]
    if out.suffix.lower() == ".html":
        document.save(pages.of_runs(read_runs, shown, show, told, [] if alike else [apart]), out)
        console.print(f"Page: {out}", soft_wrap=True)
    else:
        compare_curves({run.label: run.rows for run in read_runs}, show=show, save=out)
        console.print(f"Curves: {out}", soft_wrap=True)
    if as_json is not None:
        write_json(as_json, as_record(read_runs, tables, verdict))


def _without_losses(tables: Tables) -> Tables:
    return {**tables, "figures": {name: row for name, row in tables["figures"].items() if "loss" not in name}}


def table(runs: list[Run], tables: Tables) -> Table:
    """The comparison for a terminal: a column for each run, or a line for each where they are many."""
    parts = run_table(runs, tables)
    long = len(runs) > ACROSS
    result = Table(title_justify="left", show_lines=False)
    columns = next(iter(parts.values()))[0]
    result.add_column(columns[0], style="bold", overflow="fold", min_width=None if long else 20)
    for name in columns[1:]:
        least = max(map(len, name.split()), default=0) if long else None
        result.add_column(name, justify="right", overflow="fold", min_width=least)
    for title, (_, rows) in parts.items():
        if not long:
            result.add_section()
            result.add_row(title.lower(), style="italic")
        for first, *cells in rows:
            result.add_row(first if long else f"  {first}", *cells)
    return result
