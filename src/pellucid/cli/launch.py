"""`pellucid launch -n 4 SCRIPT`: a program as several processes that train together."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from pellucid.cli.errors import UsageError
from pellucid.distributed.launch import LaunchError, machines
from pellucid.distributed.launch import launch as launch_processes


def launch(
    script: Annotated[
        str | None, typer.Argument(help="The program: a script, a notebook, or with -m a module.", show_default=False)
    ] = None,
    args: Annotated[
        list[str] | None, typer.Argument(help="What the program is called with.", show_default=False)
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option("-n", "--processes", help="How many processes.", show_default="2, or those of --hosts together"),
    ] = None,
    module: Annotated[bool, typer.Option("-m", help="SCRIPT is the name of a module, as in python -m.")] = False,
    hosts: Annotated[
        str | None,
        typer.Option(help="The machines, each with its number of processes: a:4,b:4.", show_default="this machine"),
    ] = None,
) -> None:
    """Run SCRIPT with ARGS as several processes, which find each other by MPI and torch.distributed.

    Options of pellucid come before SCRIPT; what comes after it is the program's. Each process runs as with pellucid
    run, and has RANK, WORLD_SIZE, LOCAL_RANK and the rest of what torchrun sets. An error in any of them ends all.

    Example: pellucid launch -n 4 train.py --epochs 10
    """
    if script is None:
        raise UsageError("Which program? Give its file: pellucid launch -n 4 SCRIPT [ARGS]...")
    if processes is not None and processes < 1:
        raise UsageError(f"-n is {processes}; it must be a whole number of at least 1.")
    if not module and not os.path.exists(script):
        raise UsageError(f"There is no file {script} to run.")
    options = ["-m"] if module else []
    command = [sys.executable, "-m", "pellucid", "run", *options, script, *(args or [])]
    try:
        placed = sum(machines(hosts).values()) if hosts is not None else 2
        code = launch_processes(processes or placed, command, hosts)
    except LaunchError as error:
        raise UsageError(str(error)) from None
    raise typer.Exit(code)
