"""The program's commands, and how it speaks of what a person can mend."""

from __future__ import annotations

import functools
import inspect
import os
import re
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from pellucid.cli import completion
from pellucid.cli.check import check
from pellucid.cli.compare import compare
from pellucid.cli.errors import UsageError
from pellucid.cli.explain import explain
from pellucid.cli.find_lr import find_lr
from pellucid.cli.graph import graph
from pellucid.cli.info import info
from pellucid.cli.predict import predict
from pellucid.cli.report import report
from pellucid.cli.sweep import sweep
from pellucid.cli.train import INTERRUPTED, Diverged, train
from pellucid.datasets import DataError
from pellucid.train import CheckpointError, RunFolderError
from pellucid.version import __version__

app = typer.Typer(
    help="Deep learning one can see through.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def command(function: Callable[..., None]) -> Callable[..., None]:
    """A command whose errors are sentences: exit code 2 for what the user can mend, and never a traceback for it."""

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            function(*args, **kwargs)
        except (UsageError, DataError, CheckpointError, RunFolderError) as error:
            _say(str(error))
            raise typer.Exit(2) from None
        except BrokenPipeError:  # who reads has read enough, as `pellucid info | head` has
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nor is anything to be said at the exit
            raise typer.Exit(1) from None
        except OSError as error:  # the disk is full, the folder vanished, the file is locked
            # What is written goes to .NAME.partial first; the user named NAME.
            path = re.sub(r"\.([^/\\]+)\.partial$", r"\1", str(error.filename or ""))
            _say(f"{error.strerror or error}" + (f": {path}" if path else ""))
            raise typer.Exit(2) from None
        except Diverged as error:
            _say(str(error))
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            _say("interrupted; what the last checkpoint holds is saved.")
            raise typer.Exit(INTERRUPTED) from None

    # Each paragraph on one line, for the terminal to break where it ends and not where our lines do.
    paragraphs = (inspect.getdoc(function) or "").split("\n\n")
    run.__doc__ = "\n\n".join(paragraph.replace("\n", " ") for paragraph in paragraphs)
    run.__signature__ = completion.signature(function)  # type: ignore[attr-defined]
    return run


def _say(message: str) -> None:
    print(f"pellucid: {message}", file=sys.stderr)


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
app.command()(command(explain))
app.command()(command(info))
