"""The updates that stand in each pass of a loop, in its body or in the functions that the body calls."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping

from pellucid.doctor.process.places import trees

DEEPEST = 4  # calls within calls


def step(sources: Mapping[str, str], file: str, line: int, held: Collection[str]) -> tuple[str, int, str] | None:
    """Where what is held under one of these names is updated, and the name, if each pass of the loop at a line does it.

    >>> source = "for i in range(9):\\n    for k in p:\\n        p[k] -= lr * g[k]"
    >>> step({"a.py": source}, "a.py", 1, {"p"})
    ('a.py', 3, 'p')
    >>> step({"a.py": "for i in range(9):\\n    if loss < best:\\n        p -= g"}, "a.py", 1, {"p"})
    >>> source = "def back(self):\\n    self.w += d\\nfor i in range(9):\\n    net.back()"
    >>> step({"a.py": source}, "a.py", 3, {"net.w"})
    ('a.py', 2, 'net.w')
    """
    names = {name.rpartition(".")[2]: name for name in held}
    functions = functions_of(sources)
    for loop in ast.walk(ast.parse(sources[file])):
        if isinstance(loop, ast.For | ast.While) and loop.lineno == line:
            for place, node in _made(file, loop.body, functions, DEEPEST):
                name = names.get(_updated(node).rpartition(".")[2])
                if name is not None:
                    return place, node.lineno, name
    return None


def read_for_step(sources: Mapping[str, str], file: str, line: int, name: str) -> tuple[str, int] | None:
    """Where each pass of the loop at a line computes something with a parameter that its update is made of.

    >>> source = "for i in range(9):\\n    d = says(w) - y\\n    print(w)\\n    w -= d"
    >>> read_for_step({"a.py": source}, "a.py", 1, "w")
    ('a.py', 2)
    >>> read_for_step({"a.py": "for i in range(9):\\n    e = x @ w @ x\\n    w += x * x"}, "a.py", 1, "w")
    """
    own = root(name).rpartition(".")[2]
    functions = functions_of(sources)
    loops = [node for node in ast.walk(ast.parse(sources[file])) if isinstance(node, ast.For | ast.While)]
    made = [pair for loop in loops if loop.lineno == line for pair in _made(file, loop.body, functions, DEEPEST)]
    own_steps = [node for _, node in made if _updated(node).rpartition(".")[2] == own]
    needed = set[str]().union(*(_names(node) for node in own_steps)) - {own}
    for _ in range(2 * DEEPEST):
        for _, node in made:
            if node not in own_steps and (isinstance(node, ast.Return) or needed & _targets(node)):
                needed |= _names(node) - {own}
    for place, node in made:
        if node not in own_steps and needed & _targets(node) and own in _names(node):
            return place, node.lineno
    return None


def _targets(node: ast.stmt) -> set[str]:
    found = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return {root(ast.unparse(target)).rpartition(".")[2] for target in found if target is not None}


def _names(node: ast.stmt) -> set[str]:
    """The names and attributes that a statement reads."""
    value = getattr(node, "value", None)
    parts = [*ast.walk(value)] if value is not None else []
    return {p.id for p in parts if isinstance(p, ast.Name)} | {p.attr for p in parts if isinstance(p, ast.Attribute)}


def functions_of(sources: Mapping[str, str]) -> dict[str, list[tuple[str, ast.FunctionDef]]]:
    found: dict[str, list[tuple[str, ast.FunctionDef]]] = {}
    for name, tree in trees(dict(sources)):
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                found.setdefault(node.name, []).append((name, node))
    return found


def _made(
    file: str, body: list[ast.stmt], functions: Mapping[str, list[tuple[str, ast.FunctionDef]]], deep: int
) -> Iterator[tuple[str, ast.stmt]]:
    """The statements of each pass, and those of the functions that they call, where one alone has the name."""
    for node in _always(body):
        yield file, node
        if deep and not isinstance(node, ast.If | ast.FunctionDef | ast.ClassDef):
            for call in (part for part in ast.walk(node) if isinstance(part, ast.Call)):
                known = functions.get(ast.unparse(call.func).rpartition(".")[2], [])
                if len(known) == 1:
                    yield from _made(known[0][0], known[0][1].body, functions, deep - 1)


def _always(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a pass that no condition stands above, up to one that may leave it."""
    for node in body:
        if isinstance(node, ast.For):
            yield from _always(node.body)
        elif any(isinstance(part, ast.Continue | ast.Break) for part in ast.walk(node)):
            return
        elif isinstance(node, ast.Return) or not any(isinstance(part, ast.Return) for part in ast.walk(node)):
            yield node
        else:
            return


def _updated(node: ast.stmt) -> str:
    """What a statement takes a step with, `p` of `p[k] -= g`; "" for another one."""
    if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add | ast.Sub):
        return root(ast.unparse(node.target))
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.BinOp):
        text = ast.unparse(node.targets[0])
        if ast.unparse(node.value.left) == text and isinstance(node.value.op, ast.Add | ast.Sub):
            return root(text)
    return ""


def root(name: str) -> str:
    """`p` of `p['W']`."""
    return name.partition("[")[0]
