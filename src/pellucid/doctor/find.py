"""Which file of a directory trains: the one that is run, and whose loops, or what it imports, update numbers."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from pathlib import Path

from pellucid.doctor.notebook import is_notebook
from pellucid.doctor.sources import text_of

LEFT_OUT = {
    "site-packages",
    "dist-packages",
    "node_modules",
    "__pycache__",
    ".ipynb_checkpoints",
    ".git",
    "venv",
    ".venv",
}
DATA = (".csv", ".tsv", ".txt", ".json", ".npy", ".npz", ".parquet", ".feather", ".arrow", ".xlsx")


class NoProgram(Exception):
    """There is nothing to examine at the path, or it cannot be examined here."""


@dataclass
class File:
    """What the source of a file says.

    Attributes:
        updates: statements in it that may be updates of a parameter.
        runs: it does something when it is run: a call or a loop outside of its functions.
        imports: names of modules.
    """

    path: Path
    updates: int = 0
    loops: int = 0
    runs: bool = False
    imports: set[str] = field(default_factory=set)


def find(path: Path) -> Path:
    """The script or notebook itself; of a directory, the one whose loops look most like training. Raises NoProgram."""
    if path.is_file():
        if path.suffix.lower() in DATA:
            raise NoProgram(f"{path} holds data, not a program: name the script that trains on it.")
        if not path.read_text(encoding="utf-8", errors="replace").strip():
            raise NoProgram(f"{path} is empty: there is no program in it.")
        return path
    if str(path).startswith("-") and not path.is_dir():
        raise NoProgram(f"There is no option {path}: pellucid doctor --help shows those that there are.")
    if not path.is_dir():
        raise NoProgram(f"There is no file {path} to examine.")
    files = [read(file) for file in sorted(path.rglob("*")) if _may_be(file.relative_to(path)) and file.is_file()]
    by_name = {file.path.stem: file for file in files if not is_notebook(file.path)}
    imported = set[str]().union(*(file.imports for file in files))
    scored = [(_score(file, by_name), file.path.stem not in imported, file) for file in files if file.runs]
    best = max(scored, key=lambda item: item[:2], default=None)
    if best is None or best[0] <= 0:
        if not files:
            raise NoProgram(f"There is no Python file and no notebook in {path}: name the script itself.")
        raise NoProgram(
            f"None of the {len(files)} Python files in {path} has a loop that updates numbers when it is run: "
            "name the script itself."
        )
    return best[2].path


def _may_be(path: Path) -> bool:
    test = path.name.startswith("test_") or path.stem.endswith((".fixed", "_test")) or path.name == "conftest.py"
    return path.suffix in (".py", ".ipynb") and not test and not LEFT_OUT & set(path.parts)


def _score(file: File, by_name: dict[str, File]) -> int:
    """The updates of a file and of what it imports, if there is a loop among them."""
    reached: dict[str, File] = {}
    todo = [file]
    while todo:
        here = todo.pop()
        if str(here.path) not in reached:
            reached[str(here.path)] = here
            todo += [by_name[name] for name in here.imports if name in by_name]
    own = 2 * file.updates + file.loops
    updates, loops = sum(f.updates for f in reached.values()), sum(f.loops for f in reached.values())
    return own + 2 * updates if updates and loops else 0


def read(path: Path) -> File:
    """What the source says. A file that is no Python has nothing."""
    found = File(path)
    try:
        tree = ast.parse(text_of(path))
    except (OSError, ValueError, SyntaxError):
        return found
    for node in ast.walk(tree):
        if isinstance(node, ast.For | ast.While):
            found.loops += 1
        elif isinstance(node, ast.AugAssign | ast.Assign):
            found.updates += _is_update(node)
        elif isinstance(node, ast.Import):
            found.imports |= {alias.name.split(".")[-1] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.imports |= {(node.module or "").split(".")[-1], *(alias.name for alias in node.names)}
    found.runs = any(_runs(node) for node in tree.body)
    return found


def _runs(node: ast.stmt) -> bool:
    if isinstance(node, ast.For | ast.While | ast.With | ast.If | ast.Try):
        return True
    return isinstance(node, ast.Expr | ast.Assign) and any(isinstance(part, ast.Call) for part in ast.walk(node))


def _is_update(node: ast.AugAssign | ast.Assign) -> bool:
    """`W -= rate * dW`, `W += rate * dW`, `W = W - rate * dW`: not `i += 1`, not `total += loss`."""
    if isinstance(node, ast.AugAssign):
        product = any(isinstance(part, ast.Mult | ast.MatMult) for part in ast.walk(node.value))
        call = isinstance(node.value, ast.Call)
        return isinstance(node.op, ast.Sub | ast.Add) and (product or (call and isinstance(node.op, ast.Sub)))
    value, target = node.value, ast.unparse(node.targets[0])
    return (
        isinstance(value, ast.BinOp) and isinstance(value.op, ast.Sub | ast.Add) and ast.unparse(value.left) == target
    )
