"""What a forked program may not do: write files, open windows, read the keyboard, start programs, sleep."""

from __future__ import annotations

import builtins
import contextlib
import importlib.abc
import importlib.machinery
import io
import os
import subprocess
import sys
import time
from typing import Any

_own_open = builtins.open
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC
_CHANGING = (
    *("mkdir", "makedirs", "remove", "unlink", "rename", "renames", "replace", "rmdir", "removedirs", "truncate"),
    *("link", "symlink", "chmod", "chown", "utime", "mkfifo"),
)


def isolate() -> None:
    """From here on, in this process, writes go nowhere. For forks: there is no way back."""
    builtins.open = io.open = _open  # type: ignore[assignment]
    own_os_open = os.open

    def os_open(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
        return own_os_open(os.devnull, os.O_RDWR) if flags & _WRITING else own_os_open(path, flags, *args, **kwargs)

    os.open = os_open  # type: ignore[assignment]
    for name in _CHANGING:
        if hasattr(os, name):
            setattr(os, name, _nothing)
    subprocess.Popen = _refused  # type: ignore[assignment, misc]
    os.system = lambda command: 0  # type: ignore[assignment]
    with contextlib.suppress(ImportError, OSError, ValueError):  # whatever writes past Python is stopped by the kernel
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    sys.stdout = sys.stderr = _own_open(os.devnull, "w", encoding="utf-8")


def quiet() -> None:
    """For the program itself, too: no window, no waiting, and nobody at the keyboard."""
    os.environ["MPLBACKEND"] = "Agg"
    sys.meta_path.insert(0, _Drawing())
    builtins.input = _no_input  # type: ignore[assignment]
    time.sleep = _nothing  # type: ignore[assignment]


def _open(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
    if not any(letter in mode for letter in "wax+"):
        return _own_open(file, mode, *args, **kwargs)
    target: Any = io.BytesIO() if "b" in mode else io.StringIO()
    target.name = str(file)
    return target


def _nothing(*args: Any, **kwargs: Any) -> None:
    return None


def _no_input(prompt: Any = "") -> str:
    raise EOFError(
        "nobody is at the keyboard while the doctor runs the program: write the answer into it, or take it from "
        "sys.argv"
    )


class _Drawing(importlib.abc.MetaPathFinder):
    """Matplotlib as it is, but for the choice of what draws: `matplotlib.use("TkAgg")` would open windows."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        asked = {"matplotlib": "use", "matplotlib.pyplot": "switch_backend"}.get(name)
        spec = importlib.machinery.PathFinder.find_spec(name, path, target) if asked is not None else None
        if spec is None or spec.loader is None or asked is None:
            return None
        make = spec.loader.exec_module

        def exec_module(module: Any) -> None:
            make(module)
            own = getattr(module, asked)
            setattr(module, asked, lambda *_args, **_named: own("Agg"))

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


class _Refused:
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise OSError("a fork of the doctor starts no programs")


_refused: Any = _Refused
