"""The program's commands, and how it speaks of what a person can mend."""

from __future__ import annotations

from typing import Annotated

import typer

from pellucid.cli.check import check
from pellucid.cli.compare import compare
from pellucid.cli.doctor import doctor
from pellucid.cli.errors import command
from pellucid.cli.explain import explain
from pellucid.cli.find_lr import find_lr
from pellucid.cli.graph import graph
from pellucid.cli.info import info
from pellucid.cli.predict import predict
from pellucid.cli.report import report
from pellucid.cli.sweep import sweep
from pellucid.cli.train import train
from pellucid.version import __version__

app = typer.Typer(
    help="Deep learning one can see through.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"pellucid {__version__}")
        raise typer.Exit


@app.callback()
def pellucid(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Deep learning one can see through."""


app.command()(command(train))
app.command()(command(find_lr))
app.command()(command(predict))
app.command()(command(compare))
app.command()(command(sweep))
app.command()(command(report))
app.command()(command(graph))
app.command()(command(check))
app.command(context_settings={"ignore_unknown_options": True})(command(doctor))
app.command()(command(explain))
app.command()(command(info))
