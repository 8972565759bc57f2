"""Run a script, a module or a notebook in this process as `python` would, with `torch` answered by pellucid."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import CodeType, ModuleType, TracebackType
from typing import Any

from ..core import Tensor
from ..distributed.ending import watched
from ..torch_names import message
from .class_names import class_names_of_torch
from .importing import as_torch
from .notebook import NAMES, code_of, read

__all__ = ["run_module", "run_script"]

_PACKAGE = str(Path(__file__).resolve().parents[1]) + os.sep


def run_script(
    path: str | os.PathLike[str],
    args: Sequence[str] = (),
    source: str | None = None,
    folders: Sequence[str] | None = None,
    package: str | None = None,
) -> int:
    """Run a script or a notebook. The exit code that `python SCRIPT` would end with.

    `sys.argv`, `__main__`, `__file__` and `sys.path` are what Python makes them; an error is printed with the frames of
    the program alone. What the program's `sys.exit` was given decides the exit code.

    Args:
        source: what is run in the place of what the script holds, as if it stood there.
        folders: what it imports from first, where that is not its own folder.
        package: that of which it is a module.
    """
    path = os.fspath(path)
    if os.path.isdir(path):
        inside = os.path.join(path, "__main__.py")
        if not os.path.exists(inside):
            print(f"pellucid: can't find '__main__' module in '{path}'", file=sys.stderr)  # noqa: T201
            return 1
        return _run(_Source("__main__", inside), [path, *args], [path], inside, package="")
    loader = _Notebook("__main__", path) if path.endswith(".ipynb") else _Source("__main__", path)
    loader.instead = source
    folders = folders or [os.path.dirname(os.path.abspath(path))]
    return _run(loader, [path, *args], folders, path, package)


def run_module(name: str, args: Sequence[str] = ()) -> int:
    """Run a module, or the `__main__` of a package, as `python -m NAME` does. The exit code."""
    with as_torch():
        sys.path.insert(0, os.getcwd())
        importlib.invalidate_caches()
        try:
            spec = importlib.util.find_spec(name)
            if spec is not None and spec.submodule_search_locations is not None:
                name += ".__main__"
                spec = importlib.util.find_spec(name)
        except ModuleNotFoundError:
            spec = None
        except BaseException as error:  # noqa: BLE001  a package that fails while it is imported
            return _ended(error)
        if spec is None or spec.origin is None:
            print(f"pellucid: No module named {name}", file=sys.stderr)  # noqa: T201
            return 1
        loader = _Source("__main__", spec.origin)
        return _run(loader, [spec.origin, *args], [], spec.origin, package=name.rpartition(".")[0], spec=spec)


def _run(
    loader: _Source, argv: list[str], folders: Sequence[str], file: str, package: str | None, spec: Any = None
) -> int:
    main = ModuleType("__main__")
    main.__file__, main.__package__, main.__loader__, main.__spec__ = file, package, loader, spec
    main.__builtins__ = __builtins__  # type: ignore[attr-defined]
    before = sys.argv, sys.path[:], sys.modules.get("__main__")
    with as_torch(), class_names_of_torch():
        sys.argv, sys.modules["__main__"] = argv, main
        # The command line has set its own. Python's looks for the lines in files, which those of a notebook are not.
        sys.excepthook = watched(_print_error if isinstance(loader, _Notebook) else sys.__excepthook__)
        if folders:
            sys.path[0:1] = [*folders] if sys.path and not os.path.isdir(sys.path[0]) else [*folders, sys.path[0]]
        try:
            loader.exec_module(main)
        except BaseException as error:  # noqa: BLE001  whatever the program ends with, it ends
            return _ended(error)
        finally:
            _join_threads()
            sys.argv, sys.path[:] = before[0], before[1]
            if before[2] is not None:
                sys.modules["__main__"] = before[2]
    return 0


def _join_threads() -> None:
    """Wait for the threads of the program, as Python does at its end."""
    import threading

    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon and isinstance(thread, threading.Thread):
            thread.join()


class _Source(importlib.machinery.SourceFileLoader):
    """Compiles a file and leaves no bytecode beside it."""

    instead: str | None = None

    def get_code(self, fullname: str) -> CodeType:
        source = self.get_data(self.path) if self.instead is None else self.instead
        return compile(source, self.path, "exec", dont_inherit=True)


class _Notebook(_Source):
    """Runs the cells of a notebook in order, as one program."""

    def exec_module(self, module: ModuleType) -> None:
        super_exec = super().exec_module
        try:
            notebook = read(self.path, self.get_data(self.path))
        except ValueError as error:
            raise SystemExit(f"pellucid: {error}") from None
        for name, value in NAMES.items():
            module.__dict__.setdefault(name, value)
        for code in code_of(self.path, notebook):
            self._code = code
            super_exec(module)

    def get_code(self, fullname: str) -> CodeType:
        return self._code


# How it ends ---------------------------------------------------------------------------------------------------------


def _ended(error: BaseException) -> int:
    """Say what Python would say of an error that ended the program. The exit code."""
    if isinstance(error, SystemExit):
        code = error.code
        if code is None:
            return 0
        if isinstance(code, int):
            return code
        print(code, file=sys.stderr)  # noqa: T201
        return 1
    _of_the_program(error, set())
    sys.stdout.flush()
    if isinstance(error, AttributeError) and isinstance(error.obj, Tensor):
        error.add_note(message("torch.Tensor", error.name or "", dir(Tensor)))
    sys.excepthook(type(error), error, error.__traceback__)
    return 130 if isinstance(error, KeyboardInterrupt) else 1


def _print_error(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    traceback.print_exception(error)


def _of_the_program(error: BaseException | None, seen: set[int]) -> None:
    """Take out of the traceback, and of those of its causes, the frames of pellucid and of what starts a program."""
    if error is None or id(error) in seen:
        return
    seen.add(id(error))
    kept: TracebackType | None = None
    frames: list[TracebackType] = []
    at = error.__traceback__
    while at is not None:
        frames.append(at)
        at = at.tb_next
    for at in reversed(frames):
        file = at.tb_frame.f_code.co_filename
        if not file.startswith((_PACKAGE, "<frozen ")):
            kept = TracebackType(kept, at.tb_frame, at.tb_lasti, at.tb_lineno)
    error.__traceback__ = kept
    _of_the_program(error.__cause__, seen)
    _of_the_program(error.__context__, seen)
