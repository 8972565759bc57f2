"""Whether a program imports pellucid or PyTorch: read in its source, not run."""

from __future__ import annotations

import ast
from pathlib import Path

from pellucid.doctor.notebook import Book, is_notebook

NAMES = ("torch", "torchvision", "pellucid")


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
        for node in ast.walk(tree):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            if any(name.split(".")[0] in NAMES for name in names):
                return True
            for name in names:
                beside = path.parent / f"{name.replace('.', '/')}.py"
                if beside.is_file() and beside not in done and len(done) < 30:
                    todo.append(beside)
    return False
