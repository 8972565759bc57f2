"""What the first wrong gradient should be, written with the names of the program: `w2.T @ delta * h * (1 - h)`.

From a gradient that the program has right, or from the loss where it is a squared error, the chain rule is followed
back to the product in which the tensor is used; each factor has the name that the forward pass gives it.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Mapping

import numpy as np

from pellucid.check.record.reverse import backward
from pellucid.check.record.rules import ELEMENTWISE
from pellucid.check.record.tape import Tape, TapeNode
from pellucid.doctor.edits import statement_at
from pellucid.doctor.probes.another import name_of
from pellucid.doctor.probes.lines import first_alike
from pellucid.doctor.probes.truths import along
from pellucid.doctor.probes.values import Value, Values

DEEPEST = 12  # steps of the chain rule
SLOPES = {
    "{a} * (1 - {a})": lambda z, a: a * (1 - a),
    "(1 - {a} ** 2)": lambda z, a: 1 - a * a,
    "({a} > 0)": lambda z, a: (a > 0).astype(float),
}


def meant(
    tape: Tape,
    wrong: list[str],
    given: Mapping[str, np.ndarray],
    moved: Mapping[str, np.ndarray],
    files: Mapping[str, str],
    output: str = "",
    label: str = "",
) -> str:
    """The statement that the first wrong gradient should be set by; "" where it cannot be written so.

    `output`, `label`: what these are called where the loss is a squared error.
    """
    right = Values(tape, moved)
    rule = _ChainRule(tape, right, files, output, label)
    starts = first_alike(right, wrong, given)
    for name in sorted(starts, key=lambda name: starts[name].index):
        found = _of_tensor(name, starts[name], rule)
        if found:
            return found
    return ""


def _of_tensor(name: str, step: Value, rule: _ChainRule) -> str:
    """The statement for the gradient of what the product makes with a tensor, or for that of the tensor itself."""
    node = rule.tape.parameters.get(name)
    product, users = node, rule.users(node) if node is not None else []
    while len(users) == 1 and users[0].op == "move":
        product, users = users[0], rule.users(users[0])
    if product is None or len(users) != 1 or users[0].op not in ("matmul", "add") or not rule.once(users[0]):
        return ""
    use = users[0]
    taken = _taken(step, use, rule)
    if taken is not None and rule.right(taken) and name_of(taken.site, rule.files):
        shown, target = rule.through(use, use.inputs.index(product)), name_of(step.site, rule.files)
        turned = product is not node and shown is not None and use.op == "matmul"
        return f"{target} = {f'({shown}).T' if turned else shown}" if target and shown else ""
    target, shown = name_of(taken.site, rule.files) if taken is not None else None, rule.of(use)
    return f"{target} = {shown}" if target and shown else ""


def _taken(step: Value, use: TapeNode, rule: _ChainRule) -> Value | None:
    """What the gradient of a tensor is computed from, of the size of what its product makes."""
    todo, seen = [step], {step.index}
    while todo:
        for source in rule.right.sources(todo.pop()):
            if source.index in seen or source.nodes[0].index in rule.right.forward or not source.needs:
                continue
            seen.add(source.index)
            if source.value.size == use.value.size and source.op != "parameter":
                return source
            if source.op in ("move", "sum") or source.value.size == 1:
                todo.append(source)
    return None


class _ChainRule:
    def __init__(self, tape: Tape, right: Values, files: Mapping[str, str], output: str, label: str) -> None:
        self.tape, self.right, self.files, self.output, self.label = tape, right, files, output, label
        self.adjoints = backward(tape).adjoints
        self._users: dict[int, list[TapeNode]] = {}
        for node in tape.useful():
            for source in node.inputs:
                self._users.setdefault(source.index, []).append(node)
        self._named = self._gradients()
        lines = [node.site for node in tape.useful() if node.op == "matmul"]
        self._lines = {site: lines.count(site) for site in lines}

    def _gradients(self) -> dict[int, str]:
        """What the program calls the gradients that it has right, all of them by the factor that most have."""
        found: list[tuple[int, str, str]] = []
        for step in self.right.steps.values():
            truth = self.right.truth(step) if step.needs and step.nodes[0].index not in self.right.forward else None
            name = name_of(step.site, self.files) if truth is not None and truth.whole else None
            for index in truth.nodes if truth is not None and name else ():
                adjoint = self.adjoints.get(index)
                if truth is None or name is None or adjoint is None:
                    continue
                alone = step.value.size == adjoint.size == 1  # a multiple of any other
                times = float(step.value.ravel()[0] / adjoint.ravel()[0]) if alone else truth.times
                if not alone or f"{abs(times):.6g}" in ("0.5", "1", "2"):
                    found.append((index, name, f"{times:.6g}"))
        shared = Counter(times for _, _, times in found).most_common(1)
        return {index: name for index, name, times in reversed(found) if times == shared[0][0]}

    def users(self, node: TapeNode) -> list[TapeNode]:
        return self._users.get(node.index, [])

    def once(self, node: TapeNode) -> bool:
        """Whether no other step is made in its place, such as that of another layer: then names tell what is meant."""
        return self._lines.get(node.site, 0) <= 1

    def of(self, node: TapeNode, depth: int = 0) -> str | None:
        """The gradient of a value of the forward pass, up to the factor that those of the program have."""
        if node.index in self._named:
            return self._named[node.index]
        if depth > DEEPEST:
            return None
        if self.output and name_of(node.site, self.files) == self.output and depth:
            return f"({self.output} - {self.label})"
        activation = self._activation(node)
        if activation is not None:
            slope, end = activation
            outer = self.of(end, depth + 1)
            return f"{outer} * {slope}" if outer is not None else None
        users = self.users(node)
        if len(users) != 1 or not self.once(users[0]):
            return None
        return self.through(users[0], users[0].inputs.index(node), depth)

    def through(self, user: TapeNode, position: int, depth: int = 0) -> str | None:
        """The gradient of one of two operands, by that of what is computed of them."""
        node = user.inputs[position]
        outer = self.of(user, depth + 1)
        if outer is None or user.op not in ("add", "matmul"):
            return None
        if user.op == "add":
            if node.shape == user.shape:
                return outer
            kept = node.value.ndim == user.value.ndim
            axes = [i for i in range(user.value.ndim) if not kept or node.shape[i] != user.shape[i]]
            return f"{outer}.sum(axis={axes[0]}{', keepdims=True' if kept else ''})" if len(axes) == 1 else None
        names = self._operands(user)
        if names is None or any(source.value.ndim != 2 for source in user.inputs):
            return None
        outer = f"({outer})" if " * " in outer else outer
        other = names[1 - position]
        turned = other.removesuffix(".T") if other.endswith(".T") else f"{other}.T"
        return f"{outer} @ {turned}" if position == 0 else f"{turned} @ {outer}"

    def _operands(self, user: TapeNode) -> tuple[str, str] | None:
        """What the two operands of a product are called where it is written."""
        site = user.site
        if site is None or site.file not in self.files:
            return None
        statement = statement_at(ast.parse(self.files[site.file]), site.line)
        found: list[tuple[ast.expr, ast.expr]] = []
        for node in ast.walk(statement) if statement is not None else ():
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
                found.append((node.left, node.right))
            elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("dot", "matmul"):
                both = node.args if len(node.args) == 2 else [node.func.value, *node.args]  # type: ignore[attr-defined]
                found += [(both[0], both[1])] if len(both) == 2 else []
        if len(found) != 1 or not all(isinstance(side, ast.Name | ast.Attribute | ast.Subscript) for side in found[0]):
            return None
        return ast.unparse(found[0][0]), ast.unparse(found[0][1])

    def _activation(self, node: TapeNode) -> tuple[str, TapeNode] | None:
        """The derivative of the activation that a value is given to, by the name of its output, and that output."""
        end = node
        for _ in range(DEEPEST):
            users = self.users(end)
            if not users or (len(users) > 1 and end is not node) or users[0].op not in ELEMENTWISE:
                return None
            end = users[-1]
            name = name_of(end.site, self.files)
            if end.shape != node.shape or end.index not in self.adjoints or name is None:
                continue
            with np.errstate(all="ignore"):
                for text, slope in SLOPES.items():
                    product = self.adjoints[end.index] * slope(node.value, end.value)
                    if (
                        product.any()
                        and np.ptp(slope(node.value, end.value))
                        and along(product, self.adjoints[node.index])
                    ):
                        return text.format(a=name), end
        return None
