"""Command lines as the shell in use takes them: a POSIX shell, PowerShell, or cmd.exe."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Mapping

_PLAIN = re.compile(r"[\w./:\\@+=-]+", re.ASCII)  # what no shell of Windows takes for anything but itself


def quote(word: object, shell: str | None = None) -> str:
    r"""A word, such as a path, as `shell` takes it, whatever is in it; by default the one in use, see `current`.

    >>> quote("my runs/it's one", shell="posix")
    '\'my runs/it\'"\'"\'s one\''
    >>> print(quote("my runs/it's one", shell="powershell"))
    'my runs/it''s one'
    >>> print(quote(r"my runs\a & b", shell="cmd"))
    "my runs\a & b"
    >>> print(quote("runs/digits", shell="cmd"))
    runs/digits
    """
    return _QUOTE[shell or current()](str(word))


def join(words: list[str], shell: str | None = None) -> str:
    """A command of these words as `shell` takes it; by default the one in use."""
    return " ".join(quote(word, shell) for word in words)


def current(system: str | None = None, environment: Mapping[str, str] | None = None) -> str:
    r"""The shell that the program was probably called from: "posix", "powershell" or "cmd".

    Every program of Windows has `PSModulePath`, with the folders of modules of the machine; PowerShell puts those of
    the person and of the program before them. Git Bash and its relatives set `MSYSTEM`, or `SHELL`.

    >>> current("nt", {"PSModulePath": r"C:\Program Files\WindowsPowerShell\Modules;C:\Windows\system32\Modules"})
    'cmd'
    >>> current("nt", {"PSModulePath": r"C:\Users\me\Documents\PowerShell\Modules;C:\Program Files\x;C:\Windows\y"})
    'powershell'
    >>> current("nt", {"MSYSTEM": "MINGW64"})
    'posix'
    """
    system = os.name if system is None else system
    environment = os.environ if environment is None else environment
    if system != "nt" or "MSYSTEM" in environment or "SHELL" in environment:
        return "posix"
    folders = [folder for folder in environment.get("PSModulePath", "").split(";") if folder]
    return "powershell" if len(folders) > 2 else "cmd"


def _powershell(word: str) -> str:
    if _PLAIN.fullmatch(word) and not word.startswith("@"):
        return word
    # PowerShell takes typographic quotation marks for apostrophes, too. Two of them in a row are one.
    return "'" + re.sub("(['\u2018-\u201b])", r"\1\1", word) + "'"


def _cmd(word: str) -> str:
    if _PLAIN.fullmatch(word):
        return word
    # The program, not cmd.exe, divides the line into words: it takes "" within quotation marks for one of them, and
    # backslashes before one for half as many.
    word = re.sub(r'(\\*)"', r'\1\1""', word)
    return '"' + re.sub(r"(\\+)$", r"\1\1", word) + '"'


_QUOTE: dict[str, Callable[[str], str]] = {"posix": shlex.quote, "powershell": _powershell, "cmd": _cmd}
