"""Arrows between the rooms of the package go one way: each module's imports are read and held to the table.

Imports inside functions count, and so do those under `if TYPE_CHECKING`: a type that points up is an arrow too.
"""

import ast
import sys
from functools import lru_cache
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parent.parent / "src"

# room -> the rooms it may import, and by that whatever those may import.
MAY_IMPORT: dict[str, frozenset[str]] = {
    "version": frozenset(),
    "files": frozenset(),  # any room may write a file, and there is one way to do it
    "shell": frozenset(),  # any room may print a command
    "torch_names": frozenset(),  # any room whose names are PyTorch's says with it what it lacks
    "safetensors": frozenset({"files"}),
    "backend": frozenset(),
    "types": frozenset({"backend"}),
    "errors": frozenset(),  # any room says what was wrong in the same way
    "core": frozenset({"backend", "types", "errors"}),
    "declare": frozenset({"core"}),
    "reverse": frozenset({"declare", "core"}),
    "printing": frozenset({"declare", "core"}),
    "random": frozenset({"declare", "core", "kernels"}),
    "record": frozenset({"reverse", "declare", "core"}),
    "kernels": frozenset({"backend", "files"}),
    "ops": frozenset({"core", "declare", "reverse", "random", "kernels"}),
    # PyTorch's names for what core and ops hold.
    "autograd": frozenset({"ops", "core", "record"}),
    "linalg": frozenset({"ops", "core"}),
    "signal": frozenset({"ops", "core"}),
    "special": frozenset({"ops", "core"}),
    "sparse": frozenset({"ops", "core", "printing"}),
    "func": frozenset({"nn", "ops", "core"}),  # a module as a function of its parameters
    "distributions": frozenset({"linalg", "ops", "core"}),
    "fft": frozenset({"ops", "core"}),
    "distributed": frozenset({"backend", "core", "types", "errors", "autograd"}),  # collectives have gradients
    "nn": frozenset(
        {"sparse", "ops", "core", "record", "viz", "autograd", "distributed"}
    ),  # the report on ways to initialise draws itself; gradients are averaged over ranks
    "optim": frozenset({"ops", "core", "nn", "sparse", "kernels"}),  # `swa_utils.AveragedModel` is a module
    "serialize": frozenset({"ops", "core", "safetensors"}),
    "utils": frozenset({"ops", "core", "distributed"}),  # a batch is samples put on top of each other: `stack`, an op
    "datasets": frozenset({"backend", "core", "shell", "viz"}),  # a data set draws itself: `data.plot()`
    "scalar": frozenset(),
    "compile": frozenset({"autograd", "ops", "core", "kernels"}),  # a run with a history is a Function
    "onnx": frozenset({"nn", "ops", "core", "files"}),
    "train": frozenset(
        {"core", "random", "record", "safetensors", "viz", "compile", "kernels", "distributed", "shell"}
    ),  # a result draws itself: `learner.lr_find().plot()`
    # What differs beyond rounding is one notion, for two runs and for two models: train has it.
    "check": frozenset({"ops", "nn", "core", "autograd", "viz", "train"}),
    "derivation": frozenset({"ops", "nn", "core", "autograd", "viz"}),
    "profiling": frozenset({"ops", "nn", "core", "viz", "compile"}),  # the machine's peaks
    # It runs programs of PyTorch's, and watches whatever they train with.
    "doctor": frozenset({"core", "check", "train", "files", "bridge", "nn", "optim", "utils", "random"}),
    "viz": frozenset(),
}
MAY_IMPORT["bridge"] = (frozenset(MAY_IMPORT) - {"doctor"}) | {"__init__"}  # it answers with the package's front
MAY_IMPORT["experiments"] = frozenset(MAY_IMPORT) - {"bridge", "doctor"}
MAY_IMPORT["sklearn"] = frozenset({"experiments"})
MAY_IMPORT["exercises"] = frozenset({"check", "core", "files", "nn", "optim"})
MAY_IMPORT["playground"] = frozenset({"doctor", "nn", "core", "random", "train"})
MAY_IMPORT["cli"] = frozenset(MAY_IMPORT)

# The package's own front, and the thin modules beside it that only give PyTorch's names to what the rooms hold.
FRONT = {"__init__", "__main__"}

# Third-party packages that may stand at the top of a module; any other is imported where it is used.
AT_TOP = {"numpy"}
AT_TOP_OF = {
    "cli": {"numpy", "typer", "rich"},
    "sklearn": {"numpy", "sklearn"},  # its classes are subclasses of scikit-learn's
}

MODULES = sorted((SRC / "pellucid").rglob("*.py"))


def module_name(path: Path) -> str:
    """`src/pellucid/ops/reduce.py` is `pellucid.ops.reduce`, and a package's `__init__.py` is the package."""
    parts = path.relative_to(SRC).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@lru_cache(maxsize=2)  # a file is asked twice
def imports(source: str, name: str, is_package: bool) -> tuple[tuple[int, str, bool], ...]:
    """Line, full name and "runs when the module is imported" of each import in a module."""
    found: list[tuple[int, str, bool]] = []

    def visit(node: ast.AST, at_top: bool) -> None:
        if isinstance(node, ast.Import):
            found.extend((node.lineno, alias.name, at_top) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = name.split(".") if is_package else name.split(".")[:-1]
                package = package[: len(package) - (node.level - 1)]
                base = ".".join([*package, *([node.module] if node.module else [])])
            found.extend((node.lineno, f"{base}.{alias.name}", at_top) for alias in node.names)
        if isinstance(node, ast.expr):  # an import is a statement, and no expression holds one
            return
        at_top = at_top and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for child in ast.iter_child_nodes(node):
            visit(child, at_top)

    visit(ast.parse(source), True)
    return tuple(found)


def room_of(name: str) -> str:
    """The room of a dotted name within the package; of the package itself, its front."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def is_room(room: str) -> bool:
    return (SRC / "pellucid" / room).is_dir() or (SRC / "pellucid" / f"{room}.py").is_file()


def reach(room: str) -> frozenset[str]:
    """The rooms below a room: those in its row of the table, those in their rows, and so on."""
    below = set(MAY_IMPORT[room])
    while more := {lower for upper in below for lower in MAY_IMPORT.get(upper, ())} - below:
        below |= more
    return frozenset(below)


def arrows_up(source: str, name: str, is_package: bool = False) -> list[str]:
    """What the module imports that lies above it, one line of text each."""
    room = room_of(name)
    if room in FRONT:
        return []
    allowed = reach(room) | {room, "version", "files", "torch_names"}
    found: list[str] = []
    for line, target, _ in imports(source, name, is_package):
        if target.split(".")[0] != "pellucid":
            continue
        other = room_of(target)
        if other in allowed:
            continue
        what = "the package's front" if not is_room(other) else f"the room {other!r}"
        found.append(f"{name}, line {line}: {room} may import {sorted(allowed - {room})}, not {what} ({target})")
    return found


def third_party_at_top(source: str, name: str, is_package: bool = False) -> list[str]:
    """Third-party packages that importing the module would import, other than those it may."""
    allowed = AT_TOP_OF.get(room_of(name), AT_TOP)
    return [
        f"{name}, line {line}: import {target.split('.')[0]} where it is used, not at the top of the module"
        for line, target, at_top in imports(source, name, is_package)
        if at_top
        and (top := target.split(".")[0]) not in sys.stdlib_module_names
        and top not in allowed | {"pellucid", "pellucid_command", "__future__"}
    ]


@pytest.mark.parametrize("path", MODULES, ids=[module_name(path) for path in MODULES])
def test_arrows_point_down(path: Path) -> None:
    name = module_name(path)
    assert room_of(name) in MAY_IMPORT or room_of(name) in FRONT, (
        f"{name} is in no room of the table: add its row to MAY_IMPORT, below what may import it"
    )
    source = path.read_text(encoding="utf-8")
    is_package = path.name == "__init__.py"
    found = arrows_up(source, name, is_package) + third_party_at_top(source, name, is_package)
    assert not found, "\n".join(found)


def test_the_table_has_no_circle() -> None:
    assert not [room for room in MAY_IMPORT if room in reach(room)]


def uses(sources: dict[str, tuple[str, bool]]) -> dict[str, set[str]]:
    """The files that each file imports, by module name; `sources` has a text and whether it is a package's."""
    found: dict[str, set[str]] = {}
    for name, (source, is_package) in sources.items():
        targets = found.setdefault(name, set())
        for _, target, _ in imports(source, name, is_package):
            if (SRC / Path(*target.split(".")[:-1])).with_suffix(".pyi").is_file() and target.split(".")[
                0
            ] == "pellucid":
                continue  # a stub is written from the op table
            while target and target not in sources:
                target = target.rpartition(".")[0]
            if target and target != name:
                targets.add(target)
    return found


def circles(uses: dict[str, set[str]]) -> set[frozenset[str]]:
    """Groups of files of which each reaches each other."""
    reached: dict[str, set[str]] = {}
    for name in uses:
        seen, stack = set(), [name]
        while stack:
            for target in uses[stack.pop()] - seen:
                seen.add(target)
                stack.append(target)
        reached[name] = seen
    return {
        frozenset(other for other in reached[name] if name in reached[other]) for name in uses if name in reached[name]
    }


def test_no_files_import_each_other() -> None:
    """Also not inside functions, nor for types alone."""
    sources = {module_name(path): (path.read_text(encoding="utf-8"), path.name == "__init__.py") for path in MODULES}
    found = circles(uses(sources))
    assert not found, f"these files import each other: {[sorted(circle) for circle in found]}"


def test_a_circle_is_found() -> None:
    sources = {
        "pellucid.a": ("from .b import x", False),
        "pellucid.b": ("def f():\n    from .c import y", False),
        "pellucid.c": ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .a import z", False),
        "pellucid.d": ("from .a import x", False),
    }
    assert circles(uses(sources)) == {frozenset({"pellucid.a", "pellucid.b", "pellucid.c"})}


# What of a tensor's history is right only once its view was refreshed, and who may read it without.
RAW = {"_node", "_requires"}
REFRESHES = {
    "pellucid.core.tensor", "pellucid.core.recorder", "pellucid.core.door", "pellucid.core.views",
    "pellucid.reverse.engine", "pellucid.reverse.gradients",
}  # fmt: skip


# `_node` of arrays of their own
ANOTHER = {"pellucid.check.record.functions", "pellucid.check.record.traced", "pellucid.check.record.matrices"}


def raw_reads(source: str) -> list[int]:
    """The lines that read a tensor's history as it is stored."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute)
        and node.attr in RAW
        and isinstance(node.ctx, ast.Load)
        and not (isinstance(node.value, ast.Name) and node.value.id in ("ctx", "self") and node.attr == "_node")
    ]


@pytest.mark.parametrize("path", MODULES, ids=[module_name(path) for path in MODULES])
def test_the_history_of_a_tensor_is_read_refreshed(path: Path) -> None:
    name = module_name(path)
    if name not in REFRESHES | ANOTHER:
        found = raw_reads(path.read_text(encoding="utf-8"))
        assert not found, f"{name}, lines {found}: read grad_fn or requires_grad, which refresh the history of a view"


def test_a_raw_read_is_found() -> None:
    assert raw_reads("a = x._node\nx._node = None\nif x._requires:\n    pass") == [1, 3]


@pytest.mark.parametrize(
    ("source", "name", "count"),
    [
        ("from pellucid.nn import Module", "pellucid.core.tensor", 1),
        ("from ..nn import Module", "pellucid.core.tensor", 1),
        ("from .. import nn", "pellucid.core.tensor", 1),
        ("def f():\n    import pellucid.nn.functional", "pellucid.ops.reduce", 1),
        (
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from pellucid.cli import main",
            "pellucid.train.x",
            1,
        ),
        ("import pellucid", "pellucid.nn.linear", 1),
        ("from pellucid import float32", "pellucid.nn.linear", 1),
        ("from ..core import Tensor\nfrom . import y", "pellucid.ops.reduce", 0),
        ("from ..backend import numpy", "pellucid.nn.linear", 0),
        ("from pellucid import nn", "pellucid.cli.train", 0),
    ],
)
def test_an_arrow_up_is_found(source: str, name: str, count: int) -> None:
    assert len(arrows_up(source, name)) == count


@pytest.mark.parametrize(
    ("source", "name", "count"),
    [
        ("import matplotlib.pyplot as plt", "pellucid.viz.curves", 1),
        ("class Figure:\n    import matplotlib", "pellucid.viz.curves", 1),
        ("def f():\n    import matplotlib", "pellucid.viz.curves", 0),
        ("import typer, numpy, os", "pellucid.cli.train", 0),
        ("import typer", "pellucid.train.learner", 1),
        ("from __future__ import annotations", "pellucid.nn.linear", 0),
    ],
)
def test_a_third_party_import_at_the_top_is_found(source: str, name: str, count: int) -> None:
    assert len(third_party_at_top(source, name)) == count
