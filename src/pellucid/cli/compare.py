"""`pellucid compare RUN RUN …`: what differs between runs, in a table, in curves, and in the first step that does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from pellucid.cli.options import check_file
from pellucid.experiments.comparison import Tables, as_record, as_text, comparison, same_loss
from pellucid.experiments.errors import UsageError
from pellucid.experiments.replay import first_divergence
from pellucid.experiments.runs import Run, read
from pellucid.experiments.stored import readable
from pellucid.train import write_json
from pellucid.viz import compare_curves

_ACROSS = 4  # as many runs stand side by side; more of them stand below each other


def compare(
    runs: Annotated[list[Path], typer.Argument(help="The folders of two or more runs.", metavar="RUN")],
    out: Annotated[Path, typer.Option(help="The file for the curves: PNG, SVG or PDF by its ending.")] = Path(
        "compare.png"
    ),
    as_json: Annotated[Path | None, typer.Option("--json", help="Write everything to this file, too.")] = None,
    replay: Annotated[
        bool, typer.Option(help="Of two runs, repeat the steps in which they part. Otherwise compare checkpoints only.")
    ] = True,
) -> None:
    """Compare runs: the settings that differ, the figures, the curves laid over each other.

    Of two runs, say the first step at which they differ, and in which tensor: by repeating an epoch of each.

    Example: pellucid compare runs/digits-a runs/digits-b --out compare.png
    """
    if len(runs) < 2:
        raise UsageError("compare takes two runs or more. Write: pellucid compare RUN RUN.")
    check_file("--out", out, (".png", ".svg", ".pdf"))
    check_file("--json", as_json)
    with readable(runs[0].parent):
        read_runs = read(runs)
    console = Console(highlight=False, markup=False, emoji=False)
    tables = comparison(read_runs)
    alike = same_loss(read_runs)
    shown = tables if alike else _without_losses(tables)
    console.print(table(read_runs, shown))
    if not alike:
        console.print(
            "Their losses are of different kinds, or weigh the classes differently: side by side they say nothing, and "
            "are left out.",
            soft_wrap=True,
        )
    measures = dict.fromkeys(name for run in read_runs for row in run.epochs for name in row if name.startswith("val_"))
    show = None if alike else [name for name in measures if name != "val_loss"]
    compare_curves({run.label: run.rows for run in read_runs}, show=show, save=out)
    verdict = None
    if len(read_runs) == 2:
        with console.status("Looking for the first step that differs …"):
            verdict = first_divergence(read_runs[0], read_runs[1], replay)
        console.print(as_text(verdict, read_runs), soft_wrap=True)
    console.print(f"Curves: {out}", soft_wrap=True)
    if as_json is not None:
        write_json(as_json, as_record(read_runs, tables, verdict))


def _without_losses(tables: Tables) -> Tables:
    return {**tables, "figures": {name: row for name, row in tables["figures"].items() if "loss" not in name}}


def table(runs: list[Run], tables: Tables) -> Table:
    """The comparison for a terminal: a column for each run, or a line for each where they are many."""
    titles = {"settings": "settings that differ", "figures": "figures", "environment": "computed with"}
    if len(runs) > _ACROSS:
        return _long(runs, tables)
    result = Table(title_justify="left", show_lines=False)
    result.add_column("", style="bold", overflow="fold", min_width=20)
    for run in runs:
        result.add_column(run.label, justify="right", overflow="fold")
    for part, rows in tables.items():
        if not rows and part == "settings":
            rows = {"no setting differs": [""] * len(runs)}
        if not rows:
            continue
        result.add_section()
        result.add_row(titles[part], style="italic")
        for name, values in rows.items():
            result.add_row(f"  {_spoken(name)}", *(_cell(name, value) for value in values))
    return result


def _long(runs: list[Run], tables: Tables) -> Table:
    """Many runs: what differs, and the last figures, each a column."""
    wanted = [name for name in tables["figures"] if name.startswith(("val_", "test_")) or name == "seconds"]
    columns = {name: values for name, values in tables["settings"].items() if not name.startswith("data.")}
    columns |= {name: tables["figures"][name] for name in wanted}
    result = Table(title_justify="left")
    result.add_column("run", style="bold", overflow="fold")
    for name in columns:
        longest = max(len(word) for word in _spoken(name).split())
        result.add_column(_spoken(name), justify="right", overflow="fold", min_width=longest)
    for i, run in enumerate(runs):
        result.add_row(run.label, *(_cell(name, values[i]) for name, values in columns.items()))
    return result


def _spoken(name: str) -> str:
    spoken = {"data.fingerprint": "data checksum"}.get(name, name.replace("_", " ").replace("data.", "samples: "))
    return "… in epoch" if name.startswith("…") else spoken


def _cell(name: str, value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        if name == "seconds":
            return f"{value:.3g}" if value < 100 else f"{value:,.0f}"
        measured = name.removeprefix("best ").startswith(("train_", "val_", "test_"))
        return f"{value:.4f}" if measured and 1e-3 <= abs(value) < 1e4 else f"{value:.4g}"
    if name == "data.fingerprint":
        return str(value).partition(":")[2][:7]  # enough to see that they are not the same
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "–"
    return str(value)
