"""`pellucid report RUN`: a run's folder as one page, for one's notes; made from the folder alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pellucid.cli.options import check_file
from pellucid.experiments.errors import UsageError
from pellucid.experiments.report import gather, write, write_curves
from pellucid.experiments.stored import readable
from pellucid.train import RunFolder


def report(
    run: Annotated[Path, typer.Argument(help="The run folder.", metavar="RUN", show_default=False)],
    out: Annotated[Path | None, typer.Option(help="The file.", show_default="RUN/report.html")] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Where the data are now: a CSV file, or the folder of MNIST.", show_default="as in the run"),
    ] = None,
) -> None:
    """Write RUN as one HTML page: settings, curves, predictions, statistics, the network's graph.

    It needs nothing but the folder, which may have been made on another machine, and for the pictures of data and
    predictions the data. The page loads nothing from the network.

    Example: pellucid report runs/digits-mlp-64-20260101-120000
    """
    if not run.is_dir():
        raise UsageError(f"There is no run folder {run}.")
    folder = RunFolder(run)
    path = out or folder.report
    check_file("--out", path)
    try:
        with readable(run):
            record = gather(folder, where=data)
            if out is None:
                write_curves(record, folder.curves)
            write(record, path)
    except ImportError as error:
        raise UsageError(str(error)) from error
    for note in record.notes:
        print(note)
    print(f"Report: {path}")
