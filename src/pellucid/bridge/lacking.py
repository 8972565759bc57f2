"""Which of PyTorch's names a program uses and pellucid lacks, found by reading the program: nothing of it is run."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import pellucid
from pellucid import torch_names

from .importing import module_of
from .notebook import read, source_of

__all__ = ["Lacking", "Use", "check_program", "has"]

_CLASSES = {"torch.Tensor": "Tensor", "torch.nn.Module": "nn.Module", "torch.optim.Optimizer": "optim.Optimizer"}
_TOPS = ("torch", "torchvision")
# Methods that something else than a tensor may have: `.name` says nothing of what it is asked of.
_OF_OTHERS = frozenset(
    name for kind in (str, list, dict, set, bytes, int, float, tuple, np.ndarray, np, Path) for name in dir(kind)
) | {"coalesce", "is_coalesced", "names"}


@dataclass(frozen=True, order=True)
class Use:
    """A name that is used and lacking."""

    file: str
    line: int
    name: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.name}"


@dataclass
class Lacking:
    """What `check_program` found.

    Attributes:
        files: the files that were read: the program, and the modules beside it that it imports.
        names: how many different names of PyTorch's they use.
        found: those that pellucid lacks, by file and line.
    """

    files: list[str] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    found: list[Use] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """What to print."""
        for use in sorted(set(self.found)):
            where, _, name = use.name.rpartition(".")
            near = torch_names.nearest(name, [n for n in _there(where) if not n.startswith("_")])
            yield f"{use}" + (f" (the nearest that there is: {where}.{near})" if near else "")
        yield from self.unread
        lacking = {use.name for use in self.found}
        files = f"{len(self.files)} file{'s' if len(self.files) != 1 else ''}"
        if lacking:
            yield (
                f"{len(lacking)} of the {len(self.names)} names of PyTorch's in {files} are lacking. "
                + torch_names.covered("torch")
            )
        elif not self.names:
            yield f"No name of PyTorch's is in {files}: what is looked for follows `import torch`."
        else:
            yield f"pellucid has all {len(self.names)} names of PyTorch's in {files}."


def check_program(script: str | os.PathLike[str], module: bool = False) -> Lacking:
    """Read a script, a notebook, or a module, and the modules beside it that it imports; see `Lacking`."""
    result = Lacking()
    path, root = Path(script), Path(script).parent
    if module:
        root = Path.cwd()
        path = next((p for p in _files(root, str(script)) if p.exists()), root / f"{script}.py")
    elif path.is_dir():
        root, path = path, path / "__main__.py"
    waiting, seen = [path], set[Path]()
    while waiting:
        file = waiting.pop(0)
        if file.resolve() in seen:
            continue
        seen.add(file.resolve())
        try:
            tree = _parsed(file)
        except (OSError, SyntaxError, UnicodeDecodeError, ValueError) as error:
            result.unread.append(f"{file}: could not be read: {error}")
            continue
        result.files.append(str(file))
        reader = _Reader(tree)
        result.names |= {name for _, name in reader.uses}
        result.found += [Use(str(file), line, name) for line, name in reader.uses if not has(name)]
        waiting += [found for level, name in reader.imports for found in _local(root, file, level, name)]
    return result


def _parsed(file: Path) -> ast.Module:
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".ipynb":
        cells = [cell for cell in read(file.name, text).get("cells", ()) if cell["cell_type"] == "code"]
        text = "\n".join(source_of(cell, []) for cell in cells)
    return ast.parse(text, str(file))


def _files(root: Path, name: str) -> list[Path]:
    at = root.joinpath(*name.split("."))
    return [at / "__main__.py", at.with_suffix(".py"), at / "__init__.py"]


def _local(root: Path, file: Path, level: int, name: str) -> Iterator[Path]:
    """The files beside the program that an import of `name` reads."""
    base = root if level == 0 else file.parent
    for _ in range(level - 1):
        base = base.parent
    parts = [part for part in name.split(".") if part]
    for n in range(1, len(parts) + 1):
        at = base.joinpath(*parts[:n])
        for found in (at.with_suffix(".py"), at / "__init__.py"):
            if found.is_file():
                yield found


class _Reader(ast.NodeVisitor):
    """The names of PyTorch's in one file, with their lines, under whatever aliases it gives them."""

    def __init__(self, tree: ast.Module) -> None:
        self.uses: list[tuple[int, str]] = []
        self.imports: list[tuple[int, str]] = []
        self.aliases: dict[str, str] = {}
        self.own: set[str] = set()  # what the file defines: methods of these names are its own
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                self._import(node)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                self.own.add(node.name)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                self.own.add(node.attr)
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
                path = self._path(node.value)
                if path is not None and module_of(path) is not None:
                    self.aliases[node.targets[0].id] = path
        self.visit(tree)

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] in _TOPS:
                    self.uses.append((node.lineno, alias.name))
                    self.aliases[alias.asname or alias.name.split(".")[0]] = (
                        alias.name if alias.asname else alias.name.split(".")[0]
                    )
                else:
                    self.imports.append((0, alias.name))
            return
        name = node.module or ""
        if node.level == 0 and name.split(".")[0] in _TOPS:
            for alias in node.names:
                path = name if alias.name == "*" else f"{name}.{alias.name}"
                self.uses.append((node.lineno, path))
                if alias.name == "*":
                    self.aliases.update({found: f"{name}.{found}" for found in torch_names.known().names.get(name, ())})
                else:
                    self.aliases[alias.asname or alias.name] = path
        else:
            self.imports.append((node.level, name))
            self.imports += [(node.level, f"{name}.{alias.name}" if name else alias.name) for alias in node.names]

    def _path(self, node: ast.expr) -> str | None:
        """`torch.nn.functional.relu` for `F.relu`; None for what is no name of PyTorch's."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name) or node.id not in self.aliases:
            return None
        return ".".join([self.aliases[node.id], *reversed(parts)])

    def visit_Attribute(self, node: ast.Attribute) -> None:
        path = self._path(node)
        if path is not None:
            self.uses.append((node.lineno, path))
            return
        if node.attr not in self.own and not node.attr.startswith("_"):
            owner = _owner(node.attr)
            if owner is not None:
                self.uses.append((node.lineno, f"{owner}.{node.attr}"))
        self.visit(node.value)


def _owner(method: str) -> str | None:
    """The class of PyTorch's that alone can have this method, of all that a program is likely to hold."""
    if method in _OF_OTHERS:
        return None
    owners = [where for where in _CLASSES if method in torch_names.known().classes[where]]
    lacking = [where for where in owners if not hasattr(_class(where), method)]
    return lacking[0] if owners and len(lacking) == len(owners) else None


def _class(where: str) -> Any:
    found: Any = pellucid
    for part in _CLASSES[where].split("."):
        found = getattr(found, part)
    return found


def has(name: str) -> bool:
    """Whether pellucid answers a full name of PyTorch's; of an attribute of a function or a class, whether of that.

    >>> has("torch.nn.Linear"), has("torch.nn.Linear.forward"), has("torch.nn.NoSuchLayer")
    (True, True, False)
    """
    found: Any = None
    parts = name.split(".")
    at = 0
    for n in range(len(parts), 0, -1):
        answer = "pellucid" if parts[:n] == ["torch"] else module_of(".".join(parts[:n]))
        if answer is not None:
            found, at = importlib.import_module(answer), n
            break
    if found is None:
        return False
    for i, part in enumerate(parts[at:]):
        where = ".".join(parts[: at + i])
        if where == "torch" and not (part in torch_names.known().names["torch"] or part.startswith("__")):
            rest = importlib.import_module("pellucid.bridge.torch")
            if part not in rest.__all__:
                return False
        if where in _CLASSES or isinstance(found, type(importlib)):
            if not hasattr(found, part):
                return False
            found = getattr(found, part)
        else:
            return True
    return True


def _there(where: str) -> list[str]:
    if where in _CLASSES:
        return dir(_class(where))
    answer = "pellucid" if where == "torch" else module_of(where)
    return dir(importlib.import_module(answer)) if answer else []
