"""The text of a program as Python reads it, in the encoding that it declares; and the folders that it imports from."""

from __future__ import annotations

import ast
import importlib.abc
import importlib.machinery
import io
import linecache
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any

from pellucid.doctor.notebook import Book, is_notebook

ABOVE = 4  # folders above a program, in which it may be meant to be a module
_changed: dict[Path, str] = {}  # files of a program that is examined as if another text stood in them


def text_of(path: Path) -> str:
    """The text of a Python file; of a notebook, its code cells in order.

    Raises:
        OSError, SyntaxError, ValueError: it cannot be read.
    """
    if _changed and path.resolve() in _changed:
        return _changed[path.resolve()]
    if is_notebook(path):
        return Book(path).source
    with tokenize.open(path) as file:
        return file.read()


def as_if(text: str, path: Path) -> None:
    """From here on, in this process, whoever asks for the text of a file, or imports it, is given this one. The file
    stays as it is."""
    _changed[path.resolve()] = text
    lines = text.splitlines(keepends=True)
    for name in {str(path), str(path.resolve())}:
        linecache.cache[name] = (len(text), None, lines, name)
    if not any(isinstance(finder, _Changed) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Changed())


class _Changed(importlib.abc.MetaPathFinder):
    """Finds modules in whose file another text is to stand."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is None or spec.origin is None or Path(spec.origin).resolve() not in _changed:
            return None
        spec.loader = _Text(name, spec.origin)
        return spec


class _Text(importlib.machinery.SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType:
        return compile(text_of(Path(self.path)), self.path, "exec")


def instead(path: Path) -> str | None:
    """The text that is to stand in a file, where it is another than its own."""
    return _changed.get(path.resolve())


def is_own(file: str | None, root: Path) -> bool:
    """Whether a file is one of a program that lies in a folder: no notebook, and none of what is installed there."""
    if file is None or not file.endswith(".py"):
        return False
    path = Path(file).resolve()
    return path.is_relative_to(root.resolve()) and not {"site-packages", "dist-packages"} & {*path.parts}


def encoded(text: str, like: Path) -> bytes:
    """A text in the encoding of a file, and with its ends of lines."""
    data = like.read_bytes()
    encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    return (text.replace("\n", "\r\n") if b"\r\n" in data else text).encode(encoding)


@dataclass(frozen=True)
class Home:
    """Where a program imports from.

    Attributes:
        folders: those that are looked into first.
        package: that of which it is a module, as by `python -m package.train`; "" of a script by itself.
    """

    folders: tuple[Path, ...]
    package: str = ""

    @property
    def root(self) -> Path:
        """The folder that all of the program is in."""
        return self.folders[-1]


def home_of(path: Path) -> Home:
    """The home of a program: as a module of its package, where it imports relatively; of a script that imports from a
    folder that it is in by its name, the one above that, too."""
    folder = path.resolve().parent
    try:
        imports = [node for node in ast.walk(ast.parse(text_of(path))) if isinstance(node, ast.Import | ast.ImportFrom)]
    except (OSError, SyntaxError, ValueError):
        return Home((folder,))
    level = max((node.level for node in imports if isinstance(node, ast.ImportFrom)), default=0)
    names = [*_names(imports)]
    named = next((above for above in [folder, *folder.parents][:ABOVE] if _is_named(above, folder, names)), None)
    if not level:
        return Home((folder,) if named is None else (folder, named.parent))
    packages = [folder, *folder.parents][:level]
    while (packages[-1].parent / "__init__.py").is_file():
        packages.append(packages[-1].parent)
    if named is not None and named not in packages:
        packages = [one for one in [folder, *folder.parents] if one.is_relative_to(named)]
    return Home((packages[-1].parent,), ".".join(one.name for one in reversed(packages)))


def _names(imports: list[ast.Import | ast.ImportFrom]) -> Iterator[list[str]]:
    """The names that are imported by their full names, in parts."""
    for node in imports:
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".") for alias in node.names)
        elif not node.level and node.module:
            yield from ([*node.module.split("."), alias.name] for alias in node.names)


def _is_named(above: Path, folder: Path, names: list[list[str]]) -> bool:
    """Whether something is imported that lies in a folder by the name of that, and in none of that name below it."""
    for first, *rest in names:
        if first != above.name or (folder / first).is_dir() or (folder / f"{first}.py").is_file():
            continue
        if not rest or any((above / there).exists() for there in (rest[0], f"{rest[0]}.py", "__init__.py")):
            return True
    return False
