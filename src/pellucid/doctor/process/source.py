"""Where in the source a gradient comes from: the update of a parameter, and back from there by names.

Used where a pass cannot be recorded. `W1 -= lr * dW1` names dW1; `dW1 = X.T @ d1` names d1; and so on. A line that
only wrong tensors come by is suspect, one that a right tensor comes by is not.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from pellucid.doctor.process.paths import Group

NOISE = {"self", "np", "numpy", "lr", "learning_rate", "alpha", "eta", "math", "len", "range", "zip", "m", "n"}


@dataclass
class Assignment:
    file: str
    line: int
    targets: set[str]
    sources: set[str]
    function: str
    update: bool  # X -= e, X += e, X = X - e


@dataclass
class Source:
    """Every assignment of the user's program."""

    assignments: list[Assignment] = field(default_factory=list)

    @classmethod
    def of(cls, sources: dict[str, str]) -> Source:
        found = cls()
        for file, text in sources.items():
            try:
                tree = ast.parse(text)
            except SyntaxError:
                continue
            _Visitor(found, file).visit(tree)
        return found

    def updates(self, group: Group) -> list[Assignment]:
        """The statements that may update a parameter."""
        name = _last_name(group)
        return [a for a in self.assignments if a.update and name in a.targets]

    def slice(self, group: Group, steps: int = 4) -> list[tuple[str, int]]:
        """Lines that its gradient comes by, nearest to the update first."""
        updates = self.updates(group)
        lines: list[tuple[str, int]] = []
        names: set[str] = set()
        own = _last_name(group)
        for update in updates:
            names |= update.sources - {own} - NOISE
        seen: set[str] = set(names) | {own}
        for _ in range(steps):
            more: set[str] = set()
            for a in self.assignments:
                if a.targets & names and not a.update:
                    if (a.file, a.line) not in lines:
                        lines.append((a.file, a.line))
                    more |= a.sources - NOISE
            names = {n for n in more if n not in seen and _gradient_like(n)}
            seen |= names
            if not names:
                break
        return lines or [(u.file, u.line) for u in updates]


def _gradient_like(name: str) -> bool:
    low = name.lower()
    return low.startswith(("d", "grad", "g_", "err", "delta")) or "grad" in low or "delta" in low or "err" in low


def suspect(source: Source, wrong: list[Group], right: list[Group]) -> tuple[str, int] | None:
    """The line that all wrong tensors come by and no right one does, nearest to the loss."""
    slices = [source.slice(group) for group in wrong]
    slices = [lines for lines in slices if lines]
    if not slices:
        return None
    cleared = {line for group in right for line in source.slice(group)}
    common = [line for line in slices[0] if all(line in other for other in slices[1:]) and line not in cleared]
    if common:
        return common[0] if len(slices) == 1 else common[-1]
    own = [line for line in slices[0] if line not in cleared]
    return own[0] if own else slices[0][0]


def _last_name(group: Group) -> str:
    path = group.paths[0]
    for kind, key in reversed(path):
        if kind == "attr":
            return str(key)
        if kind == "item" and isinstance(key, str):
            return key
        if kind == "global":
            return str(key[1])
        if kind in ("local", "object"):
            return str(key)
    return group.name


class _Visitor(ast.NodeVisitor):
    def __init__(self, found: Source, file: str) -> None:
        self.found, self.file, self.functions = found, file, ["<module>"]

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self.functions.append(node.name)
        self.generic_visit(node)
        self.functions.pop()

    def visit_Assign(self, node: ast.Assign) -> None:
        targets = {name for target in node.targets for name in _targets(target)}
        sources = _names(node.value)
        moves = isinstance(node.value, ast.BinOp) and isinstance(node.value.op, ast.Add | ast.Sub)
        self._add(node, targets, sources, moves and bool(targets & sources))
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        targets = set(_targets(node.target))
        update = isinstance(node.op, ast.Add | ast.Sub)
        self._add(node, targets, _names(node.value) | (set() if update else targets), update)
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self._add(node, set(_targets(node.target)), _names(node.value), False)

    def _add(self, node: ast.stmt, targets: set[str], sources: set[str], update: bool) -> None:
        self.found.assignments.append(Assignment(self.file, node.lineno, targets, sources, self.functions[-1], update))


def _targets(node: ast.expr) -> list[str]:
    """The names that a target assigns: the variable, the attribute, and a key that is a string."""
    if isinstance(node, ast.Name):
        return [node.id]
    if isinstance(node, ast.Attribute):
        return [node.attr]
    if isinstance(node, ast.Subscript):
        if isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
            return [node.slice.value]
        return _targets(node.value)
    if isinstance(node, ast.Tuple | ast.List):
        return [name for item in node.elts for name in _targets(item)]
    return _targets(node.value) if isinstance(node, ast.Starred) else []


def _names(node: ast.expr) -> set[str]:
    found: set[str] = set()
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            found.add(part.id)
        elif isinstance(part, ast.Attribute):
            found.add(part.attr)
        elif (
            isinstance(part, ast.Subscript)
            and isinstance(part.slice, ast.Constant)
            and isinstance(part.slice.value, str)
        ):
            found.add(part.slice.value)
    return found
