"""Whether a program imports pellucid or PyTorch: read in its source, not run."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path

from pellucid.doctor.sources import home_of, text_of

NAMES = ("torch", "torchvision", "pellucid")
FILES = 30  # that are read at most


def uses_framework(path: Path) -> bool:
    """Whether the program, or a module beside it that it imports, imports pellucid, torch or torchvision."""
    todo, done, roots = [path], set[Path](), home_of(path).folders
    while todo:
        here = todo.pop()
        done.add(here)
        try:
            tree = ast.parse(text_of(here))
        except (OSError, ValueError, SyntaxError):
            continue
        for folder, name in _imported(tree, roots, here.parent):
            if folder in roots and name.split(".")[0] in NAMES:
                return True
            parts = name.split(".")
            for depth in range(len(parts) + 1):  # a package runs what it holds itself, and then its modules
                start = folder.joinpath(*parts[:depth])
                found = [start / "__init__.py"] if depth or folder not in roots else []
                found += [start.with_suffix(".py")] if depth else []
                todo += [file for file in found if file.is_file() and file not in done and len(done) < FILES]
    return False


def _imported(tree: ast.AST, roots: Sequence[Path], here: Path) -> Iterator[tuple[Path, str]]:
    """Each name that a file imports, with the folder that it begins at: of `from a import b`, `a.b`, which may be a
    module too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((root, alias.name) for alias in node.names for root in roots)
        elif isinstance(node, ast.ImportFrom):
            folders = [here.joinpath(*[".."] * (node.level - 1)).resolve()] if node.level else roots
            before = f"{node.module}." if node.module else ""
            yield from ((folder, before + alias.name) for alias in node.names for folder in folders)
