"""Where two values change places between the function that returns them and the names that take them."""

from __future__ import annotations

import ast
import re

from pellucid.doctor.process.places import SourcePlace, trees

GRADIENT_OF = re.compile(r"^(grad(ient)?s?_?|delta_?|nabla_?|d_?|g_)(?=\w)")


def crossing(sources: dict[str, str]) -> SourcePlace | None:
    """The `return dx, db, dg` whose values are taken as `dx, dg, db = f(…)`, in another order of the same names."""
    returns: dict[str, list[tuple[str, ast.Return, list[str]]]] = {}
    taken: list[tuple[str, list[str]]] = []
    for file, tree in trees(sources):
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                for part in ast.walk(node):
                    if isinstance(part, ast.Return) and isinstance(part.value, ast.Tuple):
                        returns.setdefault(node.name, []).append((file, part, [_name(e) for e in part.value.elts]))
            if (
                isinstance(node, ast.Assign)
                and isinstance(node.value, ast.Call)
                and isinstance(node.targets[0], ast.Tuple)
            ):
                function = ast.unparse(node.value.func).split(".")[-1]
                taken.append((function, [_name(e) for e in node.targets[0].elts]))
    for function, names in taken:
        for file, node, given in returns.get(function, []):
            if len(given) == len(names) and _crossed(given, names):
                return SourcePlace(file, node.lineno)
    return None


def _crossed(given: list[str], taken: list[str]) -> bool:
    """Whether two names stand in each other's place.

    >>> _crossed(["x", "b", "g"], ["x", "g", "b"]), _crossed(["x", "g", "b"], ["x", "g", "b"])
    (True, False)
    """
    return any(
        a != b and a == d and b == c
        for i, (a, b) in enumerate(zip(given, taken, strict=True))
        for c, d in list(zip(given, taken, strict=True))[i + 1 :]
    )


def _name(node: ast.expr) -> str:
    """What a value is called, without what says that it is a gradient: `g` of `dg`, `d['g']` and `self.grad_g`."""
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        return str(node.slice.value)
    name = (
        node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ast.unparse(node)
    )
    return GRADIENT_OF.sub("", name)
