"""A gradient without the minus that those of other tensors have: `dm += 2 * x * e` beside `db += -2 * e`."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from pellucid.doctor.process.paths import Group
from pellucid.doctor.process.places import assigned, trees
from pellucid.doctor.process.source import Assignments, gradients_of

Line = tuple[str, int]


def odd_minus(sources: dict[str, str], wrong: list[Group], right: list[Group]) -> Line | None:
    """The line of a wrong gradient whose product begins with no minus, where those of the right ones do, or the
    reverse.

    >>> from pellucid.doctor.process.paths import Group
    >>> group = lambda name: Group(name, ((("global", ("a", name)),),), (1,), ())
    >>> text = "db += -2 * e\\ndm += 2 * x * e\\nb = b - lr * db\\nm = m - lr * dm"
    >>> odd_minus({"a.py": text}, [group("m")], [group("b")])
    ('a.py', 2)
    >>> text = "e = y - p\\ndm = -x * e\\nb -= lr * e\\nm -= lr * dm"  # of e, from which dm is right, too
    >>> odd_minus({"a.py": text}, [group("b")], [group("m")])
    """
    source = Assignments.of(sources)
    own, others = gradients_of(source, wrong), gradients_of(source, right)
    own -= _read_for(source, others)
    found, usual = list(_begun(sources, own - others)), list(_begun(sources, others - own))
    if len({minus for _, minus in found}) == len({minus for _, minus in usual}) == 1 and found[0][1] != usual[0][1]:
        return found[0][0]
    return None


def _read_for(source: Assignments, names: set[str]) -> set[str]:
    """What these are computed from."""
    known = set[str]()
    while not names <= known:
        known |= names
        names = set[str]().union(*(a.sources for a in source.assignments if a.targets & names and not a.update))
    return known


def _begun(sources: dict[str, str], names: set[str]) -> Iterator[tuple[Line, bool]]:
    """The products that gradients are made of, each with whether a minus stands before it."""
    for file, tree in trees(sources):
        for node in ast.walk(tree):
            if not isinstance(node, ast.Assign | ast.AugAssign) or not names & {*assigned(node)}:
                continue
            adds = isinstance(node, ast.Assign) or isinstance(node.op, ast.Add)
            if adds and any(isinstance(part, ast.BinOp) for part in ast.walk(node.value)):
                yield (file, node.lineno), _is_negative(node.value)


def _is_negative(value: ast.expr) -> bool:
    while isinstance(value, ast.BinOp) and isinstance(value.op, ast.Mult | ast.Div):
        value = value.left
    return isinstance(value, ast.UnaryOp) and isinstance(value.op, ast.USub)
