"""Where in the source a gradient comes from: the update of a parameter, and back from there by names.

Used where a pass cannot be recorded. `W1 -= lr * dW1` names dW1; `dW1 = X.T @ d1` names d1; and so on. A line that
only wrong tensors come by is suspect, one that a right tensor comes by is not.
"""

from __future__ import annotations

import ast
import contextlib
import re
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any

from pellucid.doctor.process.movers import MovingFunction, moved_by, moved_in_turn, moving_functions
from pellucid.doctor.process.paths import Group

NOISE = {
    "self",
    "dot",
    "sum",
    "mean",
    "T",
    "axis",
    "keepdims",
    "shape",
    "outer",
    "reshape",
    "size",
    "transpose",
    "np",
    "numpy",
    "lr",
    "rate",
    "l_rate",
    "learn_rate",
    "learning_rate",
    "alpha",
    "eta",
    "math",
    "len",
    "range",
    "zip",
    "m",
    "n",
}


@dataclass
class Assignment:
    file: str
    line: int
    targets: set[str]
    sources: set[str]
    function: str
    update: bool  # X -= e, X += e, X = X - e
    sign: int = 0  # of an update, or of a difference: −1 where something is subtracted
    computes: bool = False  # an update that computes the gradient itself
    empty: bool = False  # zeros, to which something is added later
    product: bool = False  # an update that only multiplies names, `w -= lr * dl * dz`
    divisions: int = 0  # how often it divides


@dataclass
class Assignments:
    """Every assignment of the user's program."""

    assignments: list[Assignment] = field(default_factory=list)
    called: set[str] = field(default_factory=set)  # functions that return a parameter with its step

    @classmethod
    def of(cls, sources: dict[str, str]) -> Assignments:
        found, trees = cls(), dict[str, ast.AST]()
        for file, text in sources.items():
            with contextlib.suppress(SyntaxError):
                trees[file] = ast.parse(text)
        moving = moving_functions(trees.values())
        for file, tree in trees.items():
            _Visitor(found, file, moving).visit(tree)
        # what such a function moves by its own name for it is moved where it is called
        found.assignments = [a for a in found.assignments if not (a.update and a.function in found.called)]
        return found

    def updates(self, group: Group) -> list[Assignment]:
        """The statements that may update a parameter."""
        name = last_name(group)
        return [a for a in self.assignments if a.update and name in a.targets]

    @property
    def products(self) -> set[tuple[str, int]]:
        """The lines of updates that only multiply names."""
        return {(a.file, a.line) for a in self.assignments if a.product}

    def undivided(self, wrong: list[Group], right: list[Group]) -> tuple[str, int] | None:
        """The update that divides more, or less, often than those of the right tensors: by the number of rows."""
        counts = {u.divisions for group in right for u in self.updates(group)}
        odd = [u for group in wrong for u in self.updates(group) if {u.divisions} != counts]
        return (odd[0].file, odd[0].line) if odd and len(counts) == 1 else None

    def steps(self, group: Group) -> list[Assignment]:
        """The statements that may update a parameter, with the sign by which it takes its gradient: of `w = w + v`,
        what is said of it by `v = m * v - rate * g`."""
        return [self._step(update, last_name(group)) for update in self.updates(group)]

    def _step(self, update: Assignment, name: str) -> Assignment:
        """An update by its velocity, where it adds that alone: its line is where the sign is not what it usually is."""
        taken = update.sources - {name, "self"} - NOISE
        kept = [a for a in self.assignments if a.update and a.sign and a.targets == taken and a is not update]
        if len(taken) != 1 or not kept or not update.sign or any(map(_gradient_like, taken)):
            return update  # what is added up to a gradient, `dW += …`, is none
        inner = kept[0]
        usual = inner.sign == -update.sign
        return replace(inner if inner.sign > 0 or usual else update, update=True, sign=update.sign * inner.sign)

    def slice(self, group: Group, steps: int = 4) -> list[tuple[str, int]]:
        """Lines that its gradient comes by, nearest to the update first: the update itself where it computes it."""
        updates = self.steps(group)
        lines: list[tuple[str, int]] = [(u.file, u.line) for u in updates if u.computes]
        own = last_name(group)
        names = set[str]().union(*(update.sources for update in updates)) - {own} - NOISE
        names = {name for name in names if _gradient_like(name)} or names
        if not updates:  # moved by `setattr`, or not at all: what is called its gradient
            names = {f"{prefix}{own}" for prefix in ("d", "d_", "g", "grad_", "delta_", "nabla_")}
            lines = [(a.file, a.line) for a in self.assignments if own in a.targets and BACKWARD.search(a.function)]
        seen = names | {own}
        for _ in range(steps):
            more: set[str] = set()
            for a in self.assignments:
                added = not a.update or any(_gradient_like(name) for name in a.targets - {own})  # dW += d @ x
                if a.targets & names and added and not a.empty:
                    if (a.file, a.line) not in lines:
                        lines.append((a.file, a.line))
                    more |= a.sources - NOISE
            names = {n for n in more if n not in seen and _gradient_like(n)}
            seen |= names
            if not names:
                break
        return lines or [(u.file, u.line) for u in updates]

    def other_way(self, wrong: list[Group], right: list[Group]) -> tuple[str, int] | None:
        """The update that adds where those of the right tensors subtract, or the reverse; or where another of the same
        tensor subtracts."""
        for group in wrong:
            both = {u.sign: u for u in self.updates(group) if u.sign and u.sources & _of_gradient(u)}
            if len(both) == 2:
                return both[1].file, both[1].line
        signs = {u.sign for group in right for u in self.steps(group)}
        odd = [u for group in wrong for u in self.steps(group) if u.sign and {u.sign} != signs]
        return (odd[0].file, odd[0].line) if odd and len(signs) == 1 and 0 not in signs else None

    def replaced(self, name: str) -> tuple[str, int] | None:
        """The line that sets a name to something else with a step added to it: `b = w - lr * db`."""
        found = [a for a in self.assignments if name in a.targets and a.sign and name not in a.sources]
        return (found[0].file, found[0].line) if len(found) == 1 else None

    def misdirected(self, wrong: list[Group]) -> tuple[str, Assignment] | None:
        """A parameter whose update is put elsewhere, and the line: `db = b - lr * db`."""
        for group in wrong:
            name = last_name(group)
            for a in self.assignments:
                if a.sign < 0 and name in a.sources and name not in a.targets and a.sources & _gradients(name):
                    return (name, a) if not self.updates(group) else None
        return None

    def unmoved(self, wrong: list[Group], right: list[Group], computed: set[str]) -> tuple[str, int] | None:
        """Where a parameter whose gradient is computed should be moved: its own update, or, where it has none, that of
        the one whose name is most like its own."""
        for group in wrong:
            name = last_name(group)
            gradients = _gradients(name)
            own = self.updates(group)
            if not gradients & computed or (own and not own[0].sources & gradients):
                continue
            alike = max(right, key=lambda g: _alike(last_name(g), name), default=None)
            found = own or (self.updates(alike) if alike is not None else [])
            if found:
                return found[0].file, found[0].line
        return None

    def adding(self, groups: list[Group]) -> tuple[str, int] | None:
        """The first line that adds to what a parameter is moved by: `dW += …`, `v = v + d`."""
        names = {last_name(group) for group in groups}
        taken = [a.sources for a in self.assignments if a.update and (a.targets & names or a.sign < 0)]
        used = set[str]().union(*taken) - NOISE - names
        added = [a for a in self.assignments if a.update and a.sign > 0 and a.targets & used and not a.targets & names]
        return min(((a.file, a.line) for a in added), default=None)

    def climbing(self, groups: list[Group], moved: Collection[tuple[str, int]] = ()) -> tuple[str, int] | None:
        """Where a program that climbs has its sign wrong.

        `W -= lr * dW` is how everybody descends: then the gradient has the wrong sign, from its beginning on. With
        `W += …` the error is meant to be label − output; where it is so called and the reverse, that is the line.
        """
        updates = [u for group in groups for u in self.steps(group)]
        if not updates:
            return None
        seen = [u for u in updates if (u.file, u.line) in moved]
        first = min(seen or updates, key=lambda u: (u.file, u.line))
        chain = [line for group in groups[-1:] for line in self.slice(group, 6)]
        shared = set[str].intersection(*(u.sources for u in updates)) - NOISE if len(updates) > 1 else set[str]()
        errors = [
            a for a in self.assignments
            if not a.update and (a.targets & shared or any(ERROR_NAME.search(t.lower()) for t in a.targets))
        ]  # fmt: skip
        errors = [a for a in errors if (a.file, a.line) in chain and a.sign < 0]
        if first.sign < 0:
            return self._begun(chain[-1]) if chain else (first.file, first.line)
        return (errors[0].file, errors[0].line) if errors else (first.file, first.line)

    def _begun(self, at: tuple[str, int]) -> tuple[str, int]:
        """Where a function that a line calls for a gradient begins with a difference, `r = y - f(x)`; else the line."""
        called = set[str]().union(*(a.sources for a in self.assignments if (a.file, a.line) == at))
        found = [a for a in self.assignments if a.function in called and a.sign < 0 and not a.update]
        return (found[0].file, found[0].line) if len(found) == 1 else at


NO_GRADIENT = ("str", "int", "len")  # functions in an update that compute no gradient: `W["W" + str(i)] -= …`
BACKWARD = re.compile(r"back|grad|bptt|update|step", re.I)
ERROR_NAME = re.compile(r"err(or)?s?$|_err|residual|diff")
GRADIENT_NAME = re.compile(r"^d[A-Z_0-9]|^D[A-Za-z]?\d*_|^d[a-z]{0,3}\d*$|grad|delta|err|nabla|^g_|^g\d*$|^dl|^dout")


def _gradients(name: str) -> set[str]:
    """What the gradient of a parameter may be called."""
    return {f"{prefix}{name}" for prefix in ("d", "d_", "g_", "grad_", "delta_", "nabla_")}


def _gradient_like(name: str) -> bool:
    return GRADIENT_NAME.search(name) is not None


def _of_gradient(update: Assignment) -> set[str]:
    return {name for name in update.sources if _gradient_like(name)}


def gradients_of(source: Assignments, groups: list[Group]) -> set[str]:
    """The names of the gradients of these tensors: those that their updates take, or that are called so."""
    taken = set[str]().union(*(_of_gradient(update) for group in groups for update in source.steps(group)))
    own = "|".join(re.escape(last_name(group)) for group in groups)
    called = re.compile(rf"(d|g|d_|g_|grad_?|gradient_?|delta_?|nabla_)({own})|({own})_?(grad|gradient|delta|slope)")
    return taken or {name for a in source.assignments for name in a.targets if called.fullmatch(name)}


def suspect(source: Assignments, wrong: list[Group], right: list[Group]) -> tuple[str, int] | None:
    """The line that all wrong tensors come by and no right one does, nearest to the loss."""
    slices = [source.slice(group) for group in wrong]
    slices = [lines for lines in slices if lines]
    if not slices:
        return None
    cleared = {line for group in right for line in source.slice(group)}
    common = [line for line in slices[0] if all(line in other for other in slices[1:]) and line not in cleared]
    if len(slices) == 1 and len(common) > 1 and common[0] in source.products:
        return common[1]  # of its factors, the one that no right tensor has
    if common:
        return common[0] if len(slices) == 1 else common[-1]
    own = [line for line in slices[0] if line not in cleared]
    return own[0] if own else slices[0][0]


RANDOM = re.compile(r"rand\b|random|uniform|\brng\b")


def draws_units(sources: dict[str, str], depends: set[str]) -> bool:
    """Whether units are drawn by chances that depend on the parameters, `h = ph > rand(…)`: no slope goes through.

    `depends`: the names of what depends on them. A mask of dropout is drawn by a number that does not.
    """
    for text in sources.values():
        try:
            tree = ast.parse(text)
        except SyntaxError:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Compare) and len(node.comparators) == 1:
                sides = (node.left, node.comparators[0])
                for side, other in (sides, sides[::-1]):
                    if RANDOM.search(ast.unparse(side)) and _names(other) & depends:
                        return True
            binomial = isinstance(node, ast.Call) and ast.unparse(node.func).endswith("binomial")
            if binomial and set[str]().union(*map(_names, getattr(node, "args", []))) & depends:
                return True
    return False


def handed_on(sources: dict[str, str], at: tuple[str, int] | None) -> tuple[str, int] | None:
    """Where a gradient that a line computes gets another name, unchanged: `dz = da`, behind `da = d @ W.T`."""
    if at is None:
        return None
    try:
        tree = ast.parse(sources.get(at[0], ""))
    except SyntaxError:
        return None
    scopes = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and _holds(node, at[1])]
    scope = max(scopes, key=lambda node: node.lineno, default=tree)
    assigns = [node for node in ast.walk(scope) if isinstance(node, ast.Assign)]
    made = {name for node in assigns if _holds(node, at[1]) for target in node.targets for name in _targets(target)}
    found: list[int] = []
    for node in assigns:
        value = node.value
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr == "copy":
            value = value.func.value
        if isinstance(value, ast.Name) and value.id in made and not _holds(node, at[1]):
            reads = [n for n in ast.walk(scope) if isinstance(n, ast.Name) and n.id == value.id]
            if (
                sum(isinstance(n.ctx, ast.Load) for n in reads) == 1
            ):  # what goes on by its old name was not meant to end
                found.append(node.lineno)
    return (at[0], found[0]) if len(found) == 1 else None


def _alike(first: str, other: str) -> int:
    """How many last letters two names share."""
    return next((i for i, (a, b) in enumerate(zip(first[::-1], other[::-1], strict=False)) if a != b), len(first))


def _holds(node: Any, line: int) -> bool:
    return bool(node.lineno <= line <= (node.end_lineno or node.lineno))


def last_name(group: Group) -> str:
    path = group.paths[0]
    for kind, key in reversed(path):
        if kind == "cell" or (kind == "attr" and key != "cell_contents"):
            return str(key)
        if kind == "item" and isinstance(key, str):
            return key
        if kind == "global":
            return str(key[1])
        if kind in ("local", "object"):
            return str(key)
    return group.name


class _Visitor(ast.NodeVisitor):
    def __init__(self, found: Assignments, file: str, moving: dict[str, MovingFunction]) -> None:
        self.found, self.file, self.moving, self.functions = found, file, moving, ["<module>"]

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self.functions.append(node.name)
        self.generic_visit(node)
        self.functions.pop()

    def visit_Assign(self, node: ast.Assign) -> None:
        targets = {name for target in node.targets for name in _targets(target)}
        sources = _names(node.value)
        moves = isinstance(node.value, ast.BinOp) and isinstance(node.value.op, ast.Add | ast.Sub)
        own = isinstance(node.value, ast.BinOp) and bool(targets & _names(node.value.left))
        moved, turn = moved_by(node.value, self.moving), moved_in_turn(node.value)
        if moved is not None and targets & _names(moved[1]):  # w = step(w, dw)
            kind, _, given = moved
            self.found.called.add(kind.function)
            sources = set[str]().union(*map(_names, given))
            step = Assignment(self.file, node.lineno, targets, sources, self.functions[-1], True, kind.sign)
            self.found.assignments.append(step)
        elif turn is not None and turn[0] in map(ast.unparse, node.targets):
            bound = {
                part
                for loop in ast.walk(node.value)
                if isinstance(loop, ast.comprehension)
                for part in _names(loop.target)
            }
            step = Assignment(
                self.file, node.lineno, targets, sources - bound - targets, self.functions[-1], True, turn[1]
            )
            step.divisions = _divisions(node.value)
            self.found.assignments.append(step)
        else:
            self._add(node, targets, sources, moves and own)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Attribute) and node.func.attr == "append" and len(node.args) == 1:
            targets, sources = set(_targets(node.func.value)), _names(node.args[0])
            self.found.assignments.append(
                Assignment(self.file, node.lineno, targets, sources, self.functions[-1], False)
            )
        for keyword in node.keywords if ast.unparse(node.func).endswith("._replace") else ():  # of a named tuple
            value, name = keyword.value, keyword.arg or ""
            kept = isinstance(value, ast.Attribute) and value.attr == name
            own = isinstance(value, ast.BinOp) and name in _names(value.left)
            self._add(_as_assigned(keyword), {name}, {name} if kept else _names(value), own)
        self.generic_visit(node)

    def visit_Dict(self, node: ast.Dict) -> None:
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                found = Assignment(self.file, value.lineno, {key.value}, _names(value), self.functions[-1], False)
                self.found.assignments.append(found)
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        targets = set(_targets(node.target))
        update = isinstance(node.op, ast.Add | ast.Sub)
        self._add(node, targets, _names(node.value) | (set() if update else targets), update)
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self._add(node, set(_targets(node.target)), _names(node.value), False)

    def _add(self, node: Any, targets: set[str], sources: set[str], update: bool) -> None:
        value = node.value
        operator = node.op if isinstance(node, ast.AugAssign) else getattr(value, "op", None)
        sign = -1 if isinstance(operator, ast.Sub) else 1 if isinstance(operator, ast.Add) else 0
        step = value.right if update and isinstance(node, ast.Assign) and isinstance(value, ast.BinOp) else value
        if update and isinstance(step, ast.BinOp) and isinstance(step.left, ast.UnaryOp):
            sign = -sign  # p += -lr * g
        computes = update and any(
            (isinstance(part, ast.Call) and ast.unparse(part.func) not in NO_GRADIENT)
            or (isinstance(part, ast.BinOp) and isinstance(part.op, ast.MatMult))
            for part in ast.walk(step)
        )
        product = update and len(_factors(step) - targets - NOISE - {"self"}) > 1
        self.found.assignments.append(
            Assignment(
                self.file,
                node.lineno,
                targets,
                sources,
                self.functions[-1],
                update,
                sign,
                computes or product,
                not isinstance(node, ast.AugAssign) and _is_empty(value),
                product and not computes,
                _divisions(value),
            )
        )


def _as_assigned(keyword: ast.keyword) -> ast.Assign:
    target = ast.Name(keyword.arg or "", ast.Store())
    return ast.Assign([target], keyword.value, lineno=keyword.value.lineno, col_offset=keyword.value.col_offset)


def _divisions(value: ast.expr) -> int:
    return sum(isinstance(part, ast.BinOp) and isinstance(part.op, ast.Div) for part in ast.walk(value))


def _is_empty(value: ast.expr) -> bool:
    """Whether a value is zeros, `np.zeros_like(W)`, or several of them, or a list that is filled later."""
    if isinstance(value, ast.List) and not value.elts:
        return True
    if isinstance(value, ast.Tuple | ast.List):
        return bool(value.elts) and all(_is_empty(item) for item in value.elts)
    if isinstance(value, ast.Call):
        return re.search(r"(zeros|empty)(_like)?$|^list$", ast.unparse(value.func)) is not None
    return isinstance(value, ast.Constant) and value.value == 0


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


def _factors(node: ast.expr) -> set[str]:
    """The names that an expression computes with; not those by which it looks something up, `grads["dW" + str(i)]`."""
    if isinstance(node, ast.Subscript):
        key = node.slice.value if isinstance(node.slice, ast.Constant) else None
        return {key} if isinstance(key, str) else _factors(node.value)
    if isinstance(node, ast.Attribute):
        return {node.attr} | (_factors(node.value) if node.attr in NOISE else set())
    if isinstance(node, ast.Name):
        return {node.id}
    return set[str]().union(*(_factors(part) for part in ast.iter_child_nodes(node) if isinstance(part, ast.expr)))


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
