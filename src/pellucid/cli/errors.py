"""How a command ends that cannot do what was asked: with a sentence and an exit code, never with a traceback."""

from __future__ import annotations

import functools
import inspect
import re
import sys
from collections.abc import Callable
from typing import Any

import typer

from pellucid.cli.interrupt import INTERRUPTED
from pellucid.datasets import DataError
from pellucid.experiments.errors import UsageError
from pellucid.experiments.session import Diverged
from pellucid.train import CheckpointError, RunFolderError
from pellucid_command import nobody_reads


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
            raise typer.Exit(nobody_reads()) from None
        except OSError as error:  # the disk is full, the folder vanished, the file is locked
            # What is written goes to .NAME.RANDOM.partial.ENDING first; the user named NAME.ENDING.
            path = re.sub(r"\.([^/\\]+)\.[0-9a-f]{16}\.partial", r"\1", str(error.filename or ""))
            _say(f"{error.strerror or error}" + (f": {path}" if path else ""))
            raise typer.Exit(2) from None
        except Diverged as error:
            _say(str(error))
            raise typer.Exit(1) from None
        except KeyboardInterrupt as interrupt:  # with what is left, where there is something
            _say(str(interrupt) or "interrupted.")
            raise typer.Exit(INTERRUPTED) from None

    # Each paragraph on one line, for the terminal to break where it ends and not where our lines do.
    paragraphs = (inspect.getdoc(function) or "").split("\n\n")
    run.__doc__ = "\n\n".join(paragraph.replace("\n", " ") for paragraph in paragraphs)
    run.__signature__ = inspect.signature(function, eval_str=True)  # type: ignore[attr-defined]
    return run


def _say(message: str) -> None:
    print(f"pellucid: {message}", file=sys.stderr)
