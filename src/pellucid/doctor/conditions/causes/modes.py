"""train-eval-mode: what a network does otherwise in training is done in the evaluation, too."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from pellucid.doctor.conditions.case import Case, at, error
from pellucid.doctor.process.places import SourcePlace, trees
from pellucid.doctor.report import Finding

MODE = re.compile(r"_*(is_?|in_)?train(ing)?(_?(mode|phase|time))?", re.I)
OTHERWISE = re.compile(r"rand|binomial|bernoulli|choice|dropout|mask|mean|var\b|std", re.I)
ASKED = re.compile(r"predict|eval|accuracy|score|infer|classif|valid|test", re.I)


def find(case: Case) -> Finding | None:
    """A switch between training and evaluation that is on by default, and that nothing ever turns off."""
    found = never_off(case.sources)
    if found is None:
        return None
    place, switch, function = found
    finding = error(
        "train-eval-mode",
        0.9,
        f"{function} calls the network with {switch}=True, its default, and so does all of the program: nothing ever "
        "turns it off.",
        "The evaluation is done in training mode: by units that are dropped at random, or by the mean of a batch.",
        f"call the network with {switch}=False there",
    )
    at(finding, place)
    return finding


def never_off(sources: dict[str, str]) -> tuple[SourcePlace, str, str] | None:
    """The line of an evaluation that calls what has such a switch, what the switch is called, and what evaluates."""
    parsed = list(trees(sources))
    functions = [n for _, tree in parsed for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
    switched = {f.name: name for f in functions if (name := _switch(f)) is not None}
    if not any(_does_otherwise(f, switched[f.name]) for f in functions if f.name in switched):
        return None
    asked: list[tuple[SourcePlace, str, str]] = []
    for file, tree in parsed:
        for function, call in _calls(tree):
            name = ast.unparse(call.func).split(".")[-1]
            if name not in switched:
                continue
            given = _given(call, switched[name], [f for f in functions if f.name == name])
            handed_on = isinstance(given, ast.Name) and given.id in switched.values()
            if given is not None and not handed_on and not _is_on(given):
                return None
            if given is None and function is not None and ASKED.search(function) and function not in switched:
                asked.append((SourcePlace(file, call.lineno), switched[name], function))
    return min(asked, key=lambda item: item[0].line, default=None)


def _switch(function: ast.FunctionDef) -> str | None:
    """The argument of a function that is called like a mode, and is on by default."""
    arguments = function.args
    defaults = (
        *zip(arguments.args[::-1], arguments.defaults[::-1], strict=False),
        *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
    )
    on = (argument.arg for argument, value in defaults if value is not None and _is_on(value))
    return next((name for name in on if MODE.fullmatch(name)), None)


def _is_on(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value in (True, "train", "training")


def _does_otherwise(function: ast.FunctionDef, switch: str) -> bool:
    """Whether a function draws, or takes the mean of a batch, as the switch says."""
    asked = any(
        isinstance(node, ast.If | ast.IfExp) and re.search(rf"\b{switch}\b", ast.unparse(node.test))
        for node in ast.walk(function)
    )
    return asked and OTHERWISE.search(ast.unparse(function)) is not None


def _calls(tree: ast.Module) -> Iterator[tuple[str | None, ast.Call]]:
    """Each call, with the name of the function that it is in."""
    todo: list[tuple[str | None, ast.AST]] = [(None, tree)]
    while todo:
        function, node = todo.pop()
        if isinstance(node, ast.Call):
            yield function, node
        within = node.name if isinstance(node, ast.FunctionDef) else function
        todo += [(within, child) for child in ast.iter_child_nodes(node)]


def _given(call: ast.Call, switch: str, functions: list[ast.FunctionDef]) -> ast.expr | None:
    """What a call gives for the switch; None where it leaves the default."""
    for keyword in call.keywords:
        if keyword.arg == switch:
            return keyword.value
        if keyword.arg is None:
            return keyword.value  # **options, of which nothing is known
    for function in functions:
        names = [argument.arg for argument in function.args.args]
        if switch in names:
            index = names.index(switch) - (names[0] in ("self", "cls") and isinstance(call.func, ast.Attribute))
            if index < len(call.args):
                return call.args[index]
    return None
