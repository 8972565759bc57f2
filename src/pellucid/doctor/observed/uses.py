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
    roots = home_of(path).folders
    return any(
        folder in roots and name.split(".")[0] in NAMES
        for here, tree in own_files(path)
        for folder, name in _imported(tree, roots, here.parent)
    )


def own_files(path: Path) -> Iterator[tuple[Path, ast.Module]]:
    """A file, and the modules beside it that it imports, and those that these import, each parsed."""
    todo, done, roots = [path], set[Path](), home_of(path).folders
    while todo:
        here = todo.pop()
        if here in done:
            continue
        done.add(here)
        try:
            tree = ast.parse(text_of(here))
        except (OSError, ValueError, SyntaxError):
            continue
        yield here, tree
        for folder, name in _imported(tree, roots, here.parent):
            parts = name.split(".")
            for depth in range(len(parts) + 1):  # a package runs what it holds itself, and then its modules
                start = folder.joinpath(*parts[:depth])
                found = [start / "__init__.py"] if depth or folder not in roots else []
                found += [start.with_suffix(".py")] if depth else []
                todo += [file for file in found if file.is_file() and file not in done and len(done) < FILES]


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
