"""`Derivation`: all that there is to say of one op at one point, as a record; and as text, for a terminal."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.core import Tensor, from_data
from pellucid.declare import Op
from pellucid.record.graph import attributes_of

from . import words
from .algebra import why
from .application import MOST, Application
from .letters import letter, result_letter
from .rule import Rule, rule_of, slopes
from .source import forward_source, rule_source

ELEMENTS = 12  # rows of the table of an elementwise op


@dataclass
class Argument:
    """One argument: its numbers and, where it has a gradient, the derivative there.

    `jacobian[j, i]` is ∂out[j]/∂x[i], both counted row by row, and `numeric` the same by differences; where `kinks` is
    true there is no derivative to compare with. `no_gradient` says why there is none.
    """

    name: str
    letter: str
    value: Any
    no_gradient: str = ""
    gradient: np.ndarray | None = None
    rule: Rule | None = None
    slopes: np.ndarray | None = None  # of an elementwise op: ∂out/∂x at each element
    jacobian: np.ndarray | None = None
    numeric: np.ndarray | None = None
    kinks: np.ndarray | None = None

    @property
    def difference(self) -> float | None:
        """The largest difference of `jacobian` and `numeric`, kinks left out; None where there are none to compare."""
        if self.jacobian is None or self.numeric is None or self.kinks is None or not self.jacobian.size:
            return None
        return float(np.where(self.kinks, 0.0, np.abs(self.jacobian - self.numeric)).max())


@dataclass
class Derivation:
    """What `pellucid.explain` shows of one op. Print it, look at it in a notebook, or `.save("op.html")` it.

    Attributes:
        op: its name; `reference` is PyTorch's.
        formula: what it computes, the beginning of its docstring.
        arguments: an `Argument` for each of its tensors and numbers.
        attributes: of the call, as text.
        letter, out, g: the result's letter in equations, its numbers, and the gradient that is sent back through it.
        why: a sentence on the gradient; or, where there is none, why not.
        forward, rule: the source of the op and of its gradient rule.
        curve: of a function of one number x, result and derivative over its domain.
    """

    op: str
    reference: str
    formula: str
    elementwise: bool
    letter: str
    out: np.ndarray
    g: np.ndarray
    arguments: list[Argument]
    attributes: dict[str, str] = field(default_factory=dict[str, str])
    why: str = ""
    random: bool = False
    forward: str = ""
    rule: str = ""
    curve: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None

    @property
    def differentiable(self) -> list[Argument]:
        """The arguments that have a gradient."""
        return [argument for argument in self.arguments if argument.gradient is not None]

    def compared(self, argument: Argument) -> str:
        """In a sentence how far the rule is from the differences."""
        if argument.numeric is None or argument.kinks is None or argument.difference is None:
            if self.random:
                return (
                    "Not compared with differences: the result is drawn at random; the gradient is what is declared, "
                    "not the derivative of a function."
                )
            return "Not compared with differences."
        kinks = int(argument.kinks.sum())
        there = f"{kinks} of {argument.kinks.size} entries have a kink here; of the others " if kinks else ""
        return (
            f"By central differences in float64, extrapolated: {there}the largest difference from the rule is "
            f"{argument.difference:.1e}."
        )

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain data, for JSON."""

        def plain(value: Any) -> Any:
            if isinstance(value, np.ndarray):
                return value.tolist()
            if isinstance(value, tuple):
                return [plain(part) for part in value]
            return value.to_dict() if isinstance(value, Rule) else value

        found = {name: plain(value) for name, value in vars(self).items() if name != "arguments"}
        found["arguments"] = [
            {**{name: plain(value) for name, value in vars(argument).items()}, "difference": argument.difference}
            for argument in self.arguments
        ]
        return found

    def html(self) -> str:
        """A self-contained page."""
        from pellucid.viz.derivation import derivation_page

        return derivation_page(self)

    def save(self, path: str | Path) -> Path:
        """Write the page; the file is whole or not there. Raises ValueError for an ending other than .html."""
        from pellucid.viz.derivation import save_page

        return save_page(self.html(), path)

    def _repr_html_(self) -> str:
        from pellucid.viz.derivation import derivation_fragment

        return derivation_fragment(self)

    def __rich__(self) -> Any:
        from rich.text import Text

        return Text(str(self))  # as it is: rich would take [0] for one of its own tags

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        return "\n".join(_text(self))


def derive(op: Op, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Derivation:
    """The derivation of an op at the given arguments, in float64."""
    app = Application(op, args, kwargs, double=True)
    g = _gradient(app.out.shape)
    made = Derivation(
        op.name, op.reference, _formula(op), op.elementwise, result_letter(app), app.out, g, [],
        attributes_of(kwargs), why(op.name), app.random,
        forward_source(op), rule_source(op) if op.rules else "",
    )  # fmt: skip
    if not app.differentiable:
        made.why = _no_gradient(app)
    gradients, jacobians = app.vjp(g), app.jacobians()
    numeric = app.numeric() if jacobians and not app.random else {}
    for i, entry in enumerate(app.args):
        if entry is None:
            continue
        value = app.array(i) if isinstance(entry, Tensor) else entry
        argument = Argument(app.names[i], letter(app, i), value)
        made.arguments.append(argument)
        if i not in gradients:
            argument.no_gradient = "" if not app.differentiable else _why_not(app, i)
            continue
        argument.gradient = gradients[i]
        argument.rule = rule_of(app, i, g, gradients[i])
        argument.jacobian = jacobians.get(i)
        if op.elementwise:
            argument.slopes = slopes(app, i)
        if i in numeric:
            argument.numeric, argument.kinks = numeric[i]
    if op.elementwise and len(made.differentiable) == 1 and sum(isinstance(item, Tensor) for item in app.args) == 1:
        made.curve = _curve(app)
    return made


def _curve(app: Application) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x over the op's domain, the result, and the derivative."""
    domain = app.op.domain
    low, high = (-inf, inf) if domain is None else (domain.low, domain.high)
    x = np.linspace(max(low + 0.01, -4.0), min(high - 0.01, 4.0), 321)  # an end of a domain may be a pole
    with np.errstate(all="ignore"):
        args = tuple(from_data(x) if isinstance(argument, Tensor) else argument for argument in app.args)
        along = Application(app.op, args, app.kwargs)
        return x, along.out, along.vjp(np.ones(x.shape))[along.differentiable[0]]


def _formula(op: Op) -> str:
    """The beginning of the docstring, up to the first empty line."""
    return " ".join(inspect.cleandoc(op.__doc__ or "").split("\n\n", 1)[0].split())


def _gradient(shape: tuple[int, ...]) -> np.ndarray:
    """A gradient to send back: 1 for a number, else numbers that are easy to follow."""
    if shape == ():
        return np.array(1.0)
    easy = (1.0, -0.5, 2.0, 0.5, -1.0, 1.5, -2.0, 0.25)
    count = int(np.prod(shape, dtype=int))
    return np.array([easy[i % len(easy)] for i in range(count)]).reshape(shape)


def _no_gradient(app: Application) -> str:
    """Why an op has no gradient at all."""
    op = app.op
    tensors = [argument for argument in app.args if isinstance(argument, Tensor)]
    if app.random and not op.rules:
        return "No gradient: the result is drawn at random, and is no function of what is given to it."
    if not tensors:
        return "No gradient: it is given no tensor that the result could depend on."
    if op.inputs[0] == "param":
        return "No gradient: it is a step of an optimiser, which is taken where nothing is recorded."
    if app.out.dtype.kind != "f" or op.kind == "compare":
        kind = "true or false" if app.out.dtype.kind == "b" or op.kind == "compare" else "whole numbers"
        return (
            f"No gradient: the result is {kind}, which jump or stay as they are where an input changes a little. Where "
            "the derivative exists it is 0."
        )
    if not any(tensor.dtype.is_floating_point for tensor in tensors):
        return "No gradient: what is given to it are whole numbers, which cannot change a little."
    if op.mutates and op.name.endswith("_") and not op.rules:
        return "No gradient: it overwrites a tensor, and what does so is taken for a constant."
    return "No gradient: no rule is declared for it, so what is computed from its result takes that for a constant."


def _why_not(app: Application, position: int) -> str:
    """Why an argument has no gradient where another has one."""
    argument = app.args[position]
    if not isinstance(argument, Tensor):
        return "a number"
    if argument.dtype.name == "bool":
        return "true or false: no gradient"
    if not argument.dtype.is_floating_point:
        return "whole numbers, such as indices: no gradient"
    return "no rule is declared for it: taken for a constant"


# The text -------------------------------------------------------------------------------------------------------------


def _text(made: Derivation) -> list[str]:
    names = ", ".join([argument.name for argument in made.arguments] + [f"{k}={v}" for k, v in made.attributes.items()])
    title = f"{made.op}({names})"
    lines = [title[: words.WIDTH], "═" * min(len(title), words.WIDTH), *words.wrapped(made.formula, 0)]
    lines += words.heading("Example")
    called = [
        argument.letter if argument.letter == argument.name else f"{argument.letter} = {argument.name}"
        for argument in made.arguments
    ]
    shown = [*zip(called, (argument.value for argument in made.arguments), strict=True)]
    shown.append((made.letter if made.letter == "out" else f"{made.letter} = out", made.out))
    width = max(len(_label(name, value)) for name, value in shown)
    for name, value in shown:
        lines += _shown(name, value, width)
    if not made.differentiable:
        return [*lines, *words.heading("Gradient"), *words.wrapped(made.why), *_sources(made)]
    lines += ["", *words.wrapped(f"Sent back through it, the gradient of a loss with respect to {made.letter}:")]
    lines += _shown(f"d{made.letter}", made.g, width)
    for argument in made.differentiable:
        lines += words.heading(f"From d{made.letter} to d{argument.letter}: the vector-Jacobian product")
        rule = argument.rule
        if rule is not None:
            lines += words.wrapped(rule.text, hanging=4) + words.equation(rule.terms)
            if rule.code:
                lines += ["", *words.wrapped(f"as declared: {rule.code}", hanging=4)]
            if rule.entry:
                lines += words.wrapped(f"numbers put in: {rule.entry}", hanging=4)
    if made.why:
        lines += ["", *words.wrapped(f"Why: {made.why}")]
    for argument in made.arguments:
        if argument.no_gradient:
            lines += words.wrapped(f"{argument.letter}: {argument.no_gradient}.")
    lines += _checked(made) + _sources(made)
    return lines


def _label(name: str, value: Any) -> str:
    return f"{name} {value.shape}" if isinstance(value, np.ndarray) and value.ndim else name


def _shown(name: str, value: Any, width: int) -> list[str]:
    label = f"{_label(name, value).ljust(width)} ="
    if isinstance(value, np.ndarray):
        return words.labelled(label, value, 2)
    return [f"  {label} {words.figure(value)}"]


def _checked(made: Derivation) -> list[str]:
    """The Jacobians, beside them what differences give; of an elementwise op its derivative at each element."""
    lines: list[str] = []
    for argument in made.differentiable:
        jacobian = argument.jacobian
        if jacobian is None:
            lines += [
                "",
                *words.wrapped(f"The Jacobian is not shown: more than {MOST} numbers. A smaller example has one."),
            ]
            continue
        rows, columns = jacobian.shape
        lines += words.heading(f"Jacobian ∂{made.letter}/∂{argument.letter}, {rows} × {columns}: a row for each number "
                               f"of {made.letter}")  # fmt: skip
        if argument.slopes is not None and argument.value.shape == made.out.shape:
            lines += words.wrapped("Elementwise: each result depends on its own element alone, so it is diagonal.")
            lines += _elements(made, argument)
        else:
            lines += ["  " + line for line in _both(jacobian, argument.numeric)]
        lines += ["", *words.wrapped(made.compared(argument))]
    return lines


def _both(jacobian: np.ndarray, numeric: np.ndarray | None) -> list[str]:
    """The Jacobian by the rule and, beside or below it, by differences."""
    by_rule = ["by the rule", *words.block(jacobian)]
    if numeric is None:
        return by_rule
    by_differences = ["by differences", *words.block(numeric)]
    wide = max(map(len, by_rule)) + max(map(len, by_differences)) + 4
    if wide > words.WIDTH - 2:
        return [*by_rule, "", *by_differences]
    return words.beside([by_rule, [""], by_differences])


def _elements(made: Derivation, argument: Argument) -> list[str]:
    if argument.slopes is None:
        return []
    numbers = np.ravel(argument.slopes)
    numeric = np.full(numbers.shape, np.nan) if argument.numeric is None else np.diagonal(argument.numeric)
    head = ["element", argument.letter, made.letter, f"∂{made.letter}/∂{argument.letter}", "numeric", "difference"]
    rows = [head]
    for i in range(min(made.out.size, ELEMENTS)):
        at = np.unravel_index(i, made.out.shape) if made.out.ndim else ()
        where = f"[{', '.join(str(int(k)) for k in at)}]"
        found = [np.ravel(argument.value)[i], np.ravel(made.out)[i], numbers[i]]
        away = abs(numbers[i] - numeric[i])
        kink = argument.kinks is not None and bool(np.diagonal(argument.kinks)[i])
        rows.append([where, *map(words.figure, found), f"{numeric[i]:.9g}", "kink" if kink else f"{away:.0e}"])
    return ["  " + line for line in words.columns(rows)]


def _sources(made: Derivation) -> list[str]:
    lines = words.heading("Source: the op") + words.code(made.forward)
    if made.rule:
        lines += words.heading("Source: its gradient rule") + words.code(made.rule)
    return lines
