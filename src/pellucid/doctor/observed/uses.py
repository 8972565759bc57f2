"""Whether a program imports pellucid or PyTorch: read in its source, not run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from pellucid.doctor.notebook import Book, is_notebook

NAMES = ("torch", "torchvision", "pellucid")
FILES = 30  # that are read at most


def uses_framework(path: Path) -> bool:
    """Whether the program, or a module beside it that it imports, imports pellucid, torch or torchvision."""
    todo, done = [path], set[Path]()
    while todo:
        here = todo.pop()
        done.add(here)
        try:
            tree = ast.parse(Book(here).source if is_notebook(here) else here.read_text(encoding="utf-8"))
        except (OSError, ValueError, SyntaxError):
            continue
        for folder, name in _imported(tree, path.parent, here.parent):
            if folder == path.parent and name.split(".")[0] in NAMES:
                return True
            parts = name.split(".")
            for depth in range(len(parts) + 1):  # a package runs what it holds itself, and then its modules
                start = folder.joinpath(*parts[:depth])
                found = [start / "__init__.py"] if depth or folder != path.parent else []
                found += [start.with_suffix(".py")] if depth else []
                todo += [file for file in found if file.is_file() and file not in done and len(done) < FILES]
    return False


def _imported(tree: ast.AST, root: Path, here: Path) -> Iterator[tuple[Path, str]]:
    """Each name that a file imports, with the folder that it begins at: of `from a import b`, `a.b`, which may be a
    module too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((root, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            folder = here.joinpath(*[".."] * (node.level - 1)).resolve() if node.level else root
            before = f"{node.module}." if node.module else ""
            yield from ((folder, before + alias.name) for alias in node.names)
