"""`pellucid doctor SCRIPT.py`: why does this program not learn?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pellucid.cli.errors import UsageError
from pellucid.doctor import NoProgram, examine_script
from pellucid.doctor.page import save as save_page
from pellucid.doctor.text import show


def doctor(
    script: Annotated[
        Path,
        typer.Argument(help="The training program: a script, a notebook, or a directory of them.", show_default=False),
    ],
    args: Annotated[
        list[str] | None, typer.Argument(help="What the program is called with.", show_default=False)
    ] = None,
    loss: Annotated[str | None, typer.Option(help="The name of the loss, where the doctor does not find it.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write the report to this file as JSON.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write the report to this file as a page.")] = None,
    budget: Annotated[float, typer.Option(help="Seconds that it may take.", min=1.0)] = 60.0,
) -> None:
    """Run SCRIPT as it is, with ARGS, and say why it does not learn: the line, the mistake, the proof.

    For programs that use no framework: NumPy or plain Python. The program's loop, parameters and loss are found by
    running it; forks of it try things out, and write no file. Exit code 0: healthy, or it could not be told; 1: faults
    were found; 2: the program could not be run.

    This is an early version: it has raised false alarms on right programs, so look at its evidence before you
    believe it.

    Example: pellucid doctor train.py --html report.html
    """
    try:
        report = examine_script(script, args or [], loss, budget)
    except NoProgram as error:
        raise UsageError(str(error)) from error
    if json is not None:
        report.save(json)
    if html is not None:
        save_page(report, html)
    console = Console(highlight=False, emoji=False, soft_wrap=True)
    show(report, console)
    if report.status == "inconclusive" and "error" in report.facts:
        raise typer.Exit(2)
    if report.exit_code:
        raise typer.Exit(report.exit_code)
