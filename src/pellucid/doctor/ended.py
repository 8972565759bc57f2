"""What is said of a program that ended with an error before it trained: the line, and what to do about it."""

from __future__ import annotations

import os
import re
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any

from pellucid.doctor.finding import place
from pellucid.doctor.misfit import misfit

PYTHON_2 = "It seems to be written for Python 2, which is read no more: "
OLD_NAMES = {
    "xrange": "range",
    "raw_input": "input",
    "unicode": "str",
    "unichr": "chr",
    "reduce": "functools.reduce",
    "basestring": "str",
    "long": "int",
}
OLD_MODULES = {"cPickle": "pickle", "urllib2": "urllib.request", "Tkinter": "tkinter", "ConfigParser": "configparser"}


def ended_with(error: BaseException, sources: dict[str, str], args: list[str]) -> tuple[str, str]:
    """The error in a line, and what is said of it.

    Args:
        error: what ended the program.
        sources: the text of each file of the program.
        args: what the program was called with.
    """
    shown = "".join(traceback.format_exception_only(error)).strip()
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        shown = f"{type(error).__name__}: {error.msg}"
        code = (error.text or "").strip()
        said = (
            f"The program is no Python that can be read ({place(error.filename, error.lineno)}: {code}): {error.msg}."
        )
        return shown, " ".join(filter(None, [said, remedy(error, code, args)]))
    frame, line = _last(error.__traceback__, sources)
    if frame is None:
        return shown, " ".join(filter(None, [f"The program ended with {shown}.", remedy(error, "", args)]))
    file = frame.f_code.co_filename
    code = sources[file].splitlines()[line - 1].strip() if line <= len(sources[file].splitlines()) else ""
    said = f"The program ended with {shown} ({place(file, line)}: {code})."
    return shown, " ".join(filter(None, [said, misfit(error, frame, line), remedy(error, code, args)]))


def _last(trace: TracebackType | None, sources: dict[str, str]) -> tuple[Any, int]:
    """The innermost frame of the program's own files, and its line."""
    frames = [pair for pair in traceback.walk_tb(trace) if pair[0].f_code.co_filename in sources]
    return frames[-1] if frames else (None, 0)


def remedy(error: BaseException, code: str, args: list[str]) -> str:
    """What to do about it; "" where nothing is known.

    >>> remedy(NameError("name 'xrange' is not defined", name="xrange"), "", [])
    'It seems to be written for Python 2, which is read no more: write range for xrange.'
    """
    if isinstance(error, SyntaxError) and re.match(r"(print|exec) |except .*, |raise \w+, ", code):
        return PYTHON_2 + ("write print(…)." if code.startswith("print") else "translate it first.")
    if isinstance(error, NameError) and error.name in OLD_NAMES:
        return f"{PYTHON_2}write {OLD_NAMES[error.name]} for {error.name}."
    if isinstance(error, ModuleNotFoundError) and error.name in OLD_MODULES:
        return f"{PYTHON_2}import {OLD_MODULES[error.name]} for {error.name}."
    if isinstance(error, ModuleNotFoundError):
        return "Install it where pellucid is installed, or put it beside the program."
    if isinstance(error, FileNotFoundError):
        return f"Files are looked for from {Path(os.getcwd()).name or os.sep}/ on, where the doctor was started."
    if isinstance(error, KeyError) and "environ" in code:
        return f"Set it where the doctor is started: {error.args[0]}=… pellucid doctor SCRIPT"
    refused = _refused(error)
    said = f"It says: {refused.rstrip('.')}." if refused else ""
    ended = isinstance(error, SystemExit) and not isinstance(error.code, str)
    if not args and (ended or (isinstance(error, IndexError) and "argv" in code)):
        return f"{said} Give it the arguments that it takes: pellucid doctor SCRIPT -- ARGS".strip()
    return said


def _refused(error: BaseException) -> str:
    """What a reader of arguments, as argparse or click, says is wrong with them; "" where none ended the program."""
    if not isinstance(error, SystemExit):
        return ""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_name == "error" and Path(frame.f_code.co_filename).name == "argparse.py":
            return str(frame.f_locals.get("message", ""))
    said = getattr(error.__context__, "format_message", None)
    return str(said()) if callable(said) else ""
