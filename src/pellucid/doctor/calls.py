"""Calls of a source that trains a network: found by the last part of what is called, and written anew."""

from __future__ import annotations

import ast
import re

from pellucid.doctor.edits import Text

ACTIVATION = r"(?:Log)?Softmax|ReLU\w*|Sigmoid|Tanh|Hard\w+|Softsign"
FUNCTION = r"(?:log_)?softmax|relu\w*|sigmoid|tanh|hard\w+|clamp|clip|softsign"

MODULES = ("torch", "F", "nn.functional", "torch.nn.functional", "pellucid", "pellucid.nn.functional")


def calls(node: ast.AST, pattern: str) -> list[ast.Call]:
    """Calls by the last part of what is called, in their order."""
    found = [inner for inner in ast.walk(node) if isinstance(inner, ast.Call) and re.fullmatch(pattern, last(inner))]
    return sorted(found, key=lambda call: (call.lineno, call.col_offset))


def last(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def with_option(call: ast.Call, name: str, value: str, text: Text) -> str:
    """The source with an option of a call set, whether it is written there or not."""
    for keyword in call.keywords:
        if keyword.arg == name:
            return text.with_expression(keyword.value, value)
    start = text.offset(call.lineno, call.col_offset)
    end = text.offset(call.end_lineno, call.end_col_offset) - 1
    inner = text.source[start:end].rstrip()
    comma = "" if inner.endswith(("(", ",")) else ", "
    return text.source[:start] + f"{inner}{comma}{name}={value}" + text.source[end:]


def bracketed(node: ast.expr, text: Text) -> str:
    simple = isinstance(node, ast.Name | ast.Attribute | ast.Call | ast.Subscript)
    return text.of(node) if simple else f"({text.of(node)})"


def assigned(tree: ast.AST) -> set[str]:
    """Names that are assigned to, and arguments of functions."""
    stored = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return stored | {n.arg for n in ast.walk(tree) if isinstance(n, ast.arg)}


def to_nn(text: Text) -> str:
    """How the program writes the package of layers: `torch.nn`, or `nn` where it imports no more."""
    for path in ("torch", "pellucid"):
        if re.search(rf"^\s*import {path}\b(?!\.)(?! as)", text.source, re.M):
            return f"{path}.nn"
    return "nn"


def trained(tree: ast.AST, text: Text) -> list[tuple[ast.stmt, str]]:
    """Where optimisers are made, and each network whose parameters they are given, in its outermost form."""
    found: list[tuple[ast.stmt, str]] = []
    for node in ast.walk(tree):
        made = node.value if isinstance(node, ast.Assign) else None
        if not isinstance(node, ast.Assign) or not isinstance(made, ast.Call) or not re.match(r"[A-Z]", last(made)):
            continue
        for call in calls(made, "parameters"):
            if isinstance(call.func, ast.Attribute):
                found.append((node, text.of(call.func.value)))
    return found


def loops(tree: ast.AST) -> list[ast.For | ast.While]:
    """The loops around a backward, the outermost first."""
    found = [n for n in ast.walk(tree) if isinstance(n, ast.For | ast.While) and calls(n, "backward")]
    return sorted(found, key=lambda node: (node.lineno, -(node.end_lineno or 0)))
