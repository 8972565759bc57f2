"""How the gradient of an argument follows from that of the result: in letters, in code, and with the numbers put in."""

from __future__ import annotations

import ast
import copy
import inspect
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.core import Tensor, from_data

from .algebra import ENTRIES, FORMS
from .application import Application
from .letters import Matrix, letter, over, result_letter, stretched
from .source import rule_expression
from .words import figure


@dataclass
class Rule:
    """The gradient of one argument: an equation, whose terms are matrices and signs, and what else there is to say.

    `code` is the rule as it is declared; `entry` one of its numbers worked out.
    """

    terms: list[Matrix | str]
    code: str = ""
    entry: str = ""

    @property
    def text(self) -> str:
        """`dA (2, 3) = dC (2, 2) @ Bᵀ (2, 3)`."""
        parts = [
            term
            if isinstance(term, str)
            else f"{term.symbol} {tuple(term.array.shape)}"
            if term.array.ndim
            else term.symbol
            for term in self.terms
        ]
        return re.sub(r"\( | \)", lambda found: found[0].strip(), " ".join(parts))

    def to_dict(self) -> dict[str, Any]:
        return {
            "text": self.text,
            "terms": [term if isinstance(term, str) else term.to_dict() for term in self.terms],
            "code": self.code,
            "entry": self.entry,
        }


def rule_of(app: Application, position: int, g: np.ndarray, gradient: np.ndarray) -> Rule:
    """The rule for an argument, where the gradient of the result is `g` and `gradient` is what comes out."""
    form = FORMS.get(app.op.name.removesuffix("_"))
    terms = None if form is None else form(app, position, g)
    left = [Matrix("d" + letter(app, position), gradient), "="]
    if terms is not None:
        return Rule([*left, *terms], expression(app, position), worked_out(app, position, g, gradient))
    if app.op.elementwise:
        return Rule([*left, *_each(app, position, g)], expression(app, position), _element(app, position, g))
    size = f"J ({app.out.size} × {gradient.size})"
    return Rule(
        [*left, Matrix("d" + result_letter(app), g), f"· {size}"],
        expression(app, position), worked_out(app, position, g, gradient),
    )  # fmt: skip


def slopes(app: Application, position: int) -> np.ndarray:
    """∂out/∂argument of an elementwise op, in the shape of the result: before it is summed over what broadcast."""
    if app.array(position).ndim == 0:  # some ops take a number there, and no array of them
        jacobian = app.jacobians().get(position)
        if jacobian is not None:
            return jacobian.reshape(app.out.shape)
    same = tuple(
        from_data(np.broadcast_to(app.array(i), app.out.shape).copy()) if getattr(argument, "ndim", 0) else argument
        for i, argument in enumerate(app.args)
    )
    return Application(app.op, same, app.kwargs).vjp(np.ones(app.out.shape))[position]


def _each(app: Application, position: int, g: np.ndarray) -> list[Matrix | str]:
    out, x = result_letter(app), letter(app, position)
    product: list[Matrix | str] = [Matrix("d" + out, g), "⊙", Matrix(f"∂{out}/∂{x}", slopes(app, position))]
    axes = stretched(app.array(position).shape, app.out.shape)
    return [over(axes), "of (", *product, ")"] if axes else product


def _largest(array: np.ndarray) -> tuple[int, ...]:
    clean = np.nan_to_num(np.abs(array))
    return tuple(int(i) for i in np.unravel_index(int(clean.argmax()), array.shape)) if array.size else ()


def place(index: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, index))}]" if index else ""


def worked_out(app: Application, position: int, g: np.ndarray, gradient: np.ndarray) -> str:
    """The largest number of a gradient as the sum of what flows to it through each number of the result."""
    own = ENTRIES.get(app.op.name)
    if own is not None and gradient.size and (text := own(app, position, g, _largest(gradient))):
        at = _largest(gradient)
        return f"d{letter(app, position)}{place(at)} = {text} = {figure(float(gradient[at]))}"
    jacobian = app.jacobians().get(position)
    if jacobian is None or not gradient.size:
        return ""
    at = _largest(gradient)
    column = jacobian[:, int(np.ravel_multi_index(at, gradient.shape)) if at else 0]
    flat = g.ravel()
    used = [j for j in range(len(column)) if column[j] * flat[j] != 0]
    if not used:
        return ""
    x, out = letter(app, position), result_letter(app)
    shown = used if len(used) <= 4 else used[:3]
    rest = " + …" if len(used) > len(shown) else ""
    sign = "Σ " if len(used) > 1 else ""
    inner = "[j]" if g.ndim else ""
    letters = f"{sign}d{out}{inner}·∂{out}{inner}/∂{x}{place(at)}"
    numbers = " + ".join(f"{_factor(flat[j])}·{_factor(column[j])}" for j in shown) + rest
    return f"d{x}{place(at)} = {letters} = {numbers} = {figure(float(column @ flat))}"


def _factor(value: float) -> str:
    """A number as a factor: a negative one in brackets."""
    text = figure(value)
    return f"({text})" if text.startswith("-") else text


# The rule as it is declared -------------------------------------------------------------------------------------------


class _Readable(ast.NodeTransformer):
    """`m.sum(g, dim=0)` becomes `sum(dout, dim=0)`; names become letters, or what `put` has for them."""

    def __init__(self, letters: dict[str, str], put: dict[str, Any]) -> None:
        self.letters, self.put = letters, put

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if isinstance(node.value, ast.Name) and node.value.id in ("m", "math"):
            name = node.attr
            return ast.Constant(self.put[name]) if name in self.put else ast.Name(name)
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        function: Any = self.generic_visit(node)
        function.args = [
            argument for argument in function.args if not (isinstance(argument, ast.Name) and argument.id == "m")
        ]
        return function

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        """Of `a if alpha == 1 else b` the one that holds, where that is known."""
        made: Any = self.generic_visit(node)
        match made.test:
            case ast.Compare(left=ast.Constant(value=known), ops=[ast.Eq()], comparators=[ast.Constant(value=other)]):
                return made.body if known == other else made.orelse
        return made

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id in self.put:
            value = self.put[node.id]
            return ast.Name(_factor(value)) if isinstance(value, float) else ast.Constant(value)
        return ast.Name(self.letters.get(node.id, node.id))


def _letters(app: Application) -> dict[str, str]:
    known = {"g": "d" + result_letter(app), "out": result_letter(app)}
    for i, name in enumerate(app.names):
        if isinstance(app.args[i], Tensor):
            known[name] = letter(app, i)
            known[f"{name}_shape"] = f"shape({letter(app, i)})"
    return known


def _unparsed(tree: ast.expr) -> str:
    return re.sub(r"(?<=\S) \* (?=\S)", "·", ast.unparse(ast.fix_missing_locations(tree)))


def expression(app: Application, position: int) -> str:
    """The declared rule as an equation: `dx = dout·(1 - out·out)`; empty where it is more than an expression."""
    found = rule_expression(app.op, position)
    if found is None or "_grad_" in ast.unparse(found):
        return ""
    tree: Any = _Readable(_letters(app), {}).visit(copy.deepcopy(found))
    return f"d{letter(app, position)} = {_unparsed(tree)}"


def _element(app: Application, position: int, g: np.ndarray) -> str:
    """The rule of an elementwise op with the numbers of one element put in."""
    found = rule_expression(app.op, position)
    if found is None or not app.out.size:
        return ""
    flow = g * slopes(app, position)
    at = _largest(flow)
    put: dict[str, Any] = {}
    rule: Any = inspect.unwrap(app.op.rules[position])
    for name, value in rule.__globals__.items():
        if isinstance(value, float):
            put[name] = value
    for name, value in {**app.values(), "g": g, "pi": float(np.pi)}.items():
        if isinstance(value, np.ndarray):
            part = np.broadcast_to(value, app.out.shape)[at]
            put[name] = bool(part) if value.dtype == bool else float(part)
        elif isinstance(value, bool | int | float | str):
            put[name] = value
    tree: Any = _Readable({}, put).visit(copy.deepcopy(found))
    text = re.sub(r"^\((-[\d.e]+)\)$", r"\1", _unparsed(tree))
    text = re.sub(r"(?<=[(,])( ?)\((-[\d.e-]+)\)(?=[,)])", r"\1\2", text)  # an argument needs no brackets
    x = letter(app, position)
    name = f"d{x}" if not stretched(app.array(position).shape, app.out.shape) else f"part of d{x}"
    result = figure(float(flow[at]))
    worked = f"{name} = {text}" if text == result else f"{name} = {text} = {result}"
    return f"element {place(at)}: {worked}" if at else worked
