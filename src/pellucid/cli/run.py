"""`pellucid run SCRIPT`: a program written for PyTorch, as it is."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import Annotated

import typer

from pellucid.bridge import check_program, coverage, run_module, run_script
from pellucid.cli.errors import UsageError
from pellucid.distributed.ending import end_all
from pellucid.distributed.environment import launched_size


def run(
    script: Annotated[
        str | None, typer.Argument(help="The program: a script, a notebook, or with -m a module.", show_default=False)
    ] = None,
    args: Annotated[
        list[str] | None, typer.Argument(help="What the program is called with.", show_default=False)
    ] = None,
    module: Annotated[bool, typer.Option("-m", help="SCRIPT is the name of a module, as in python -m.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Run nothing; list the names of PyTorch's that pellucid lacks.")
    ] = False,
    names: Annotated[
        bool,
        typer.Option("--names", help="Run nothing; list what there is of PyTorch's names, below SCRIPT, a module."),
    ] = False,
) -> None:
    """Run SCRIPT, a program written for PyTorch, with ARGS: torch and torchvision are pellucid for it.

    Options of pellucid come before SCRIPT; what comes after it is the program's. It runs as python SCRIPT runs it, with
    the same exit code; an error is shown with the lines of the program alone.

    Example: pellucid run examples/char_gpt/train.py

    Example: pellucid run --names torch.nn.utils
    """
    if names:
        _list_names(script or "torch")
        return
    if script is None:
        raise UsageError("Which program? Give its file: pellucid run SCRIPT [ARGS]...")
    if not module and not os.path.exists(script):
        raise UsageError(f"There is no file {script} to run.")
    if check:
        lacking = check_program(script, module=module)
        for line in lacking.lines():
            print(line)
        raise typer.Exit(1 if lacking.found or lacking.unread else 0)
    if launched_size() > 1:
        if isinstance(sys.stdout, io.TextIOWrapper):
            # Each line is written as a whole, also where PYTHONUNBUFFERED has its parts written by themselves.
            sys.stdout.reconfigure(line_buffering=True, write_through=False)
        with suppress(ImportError):  # a program that does not communicate needs no MPI
            from pellucid.distributed.group import enter

            enter()
    code = run_module(script, args or []) if module else run_script(script, args or [])
    sys.stdout.flush()
    end_all(code)
    raise typer.Exit(code)


def _list_names(prefix: str) -> None:
    try:
        lines = list(coverage.listing(prefix))
    except KeyError as error:
        raise UsageError(error.args[0]) from None
    print(*lines, sep="\n")
