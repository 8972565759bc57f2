"""A source in which expressions and lines can be changed where they are written, the rest as it was."""

from __future__ import annotations

import ast
import difflib
import re
import textwrap
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pellucid.doctor.finding import Finding


def statement_at(tree: ast.Module, line: int) -> ast.stmt | None:
    """The shortest statement that holds a line."""
    around = [
        node for node in ast.walk(tree) if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or 0)
    ]
    return min(around, key=lambda node: (node.end_lineno or 0) - node.lineno, default=None)


def diff(before: str, changed: str, script: Path) -> str:
    """What was changed, as `diff -u` says it."""
    names: dict[str, Any] = {"fromfile": script.name, "tofile": f"{script.stem}.fixed{script.suffix}"}
    lines = difflib.unified_diff(before.splitlines(), changed.splitlines(), lineterm="", n=2, **names)
    return "\n".join(lines) + "\n"


def around(sources: Mapping[str, str], finding: Finding, lines: int = 4) -> list[tuple[int, str]]:
    """The lines of the source near a finding, with their numbers; what all of them are indented by is taken away."""
    if finding.file is None or finding.line is None or finding.file not in sources:
        return []
    text = sources[finding.file].splitlines()
    first = max(finding.line - lines, 1)
    near = textwrap.dedent("\n".join(text[first - 1 : finding.line + lines])).split("\n")
    return list(enumerate(near, first))


class Text:
    """A source whose expressions can be replaced where they are written, the rest as it was."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.lines = source.splitlines(keepends=True)

    def of(self, node: ast.expr) -> str:
        return ast.get_source_segment(self.source, node) or ast.unparse(node)

    def with_expression(self, node: ast.expr | ast.stmt, new: str) -> str:
        start, end = self.offset(node.lineno, node.col_offset), self.offset(node.end_lineno, node.end_col_offset)
        return self.source[:start] + new + self.source[end:]

    def with_expressions(self, pairs: Iterable[tuple[ast.expr | ast.stmt, str]]) -> str:
        """With several expressions replaced, none of them within another."""
        source = self
        for node, new in sorted(pairs, key=lambda pair: (pair[0].lineno, pair[0].col_offset), reverse=True):
            source = Text(source.with_expression(node, new))
        return source.source

    def without(self, statement: ast.stmt) -> str:
        """With `pass` in the place of a statement."""
        first = self.lines[statement.lineno - 1]
        indent = first[: len(first) - len(first.lstrip())]
        head, tail = self.lines[: statement.lineno - 1], self.lines[statement.end_lineno or statement.lineno :]
        return "".join(head) + f"{indent}pass\n" + "".join(tail)

    def with_line(self, line: int, old: str, new: str) -> str:
        lines = list(self.lines)
        lines[line - 1] = lines[line - 1].replace(old, new, 1)
        return "".join(lines)

    def with_operator(self, statement: ast.AugAssign, new: str) -> str:
        start = self.offset(statement.target.end_lineno, statement.target.end_col_offset)
        end = self.offset(statement.value.lineno, statement.value.col_offset)
        return self.source[:start] + re.sub(r"[-+]=", new, self.source[start:end], count=1) + self.source[end:]

    def before(self, statement: ast.stmt, new: str) -> str:
        """With another statement above one, indented like it."""
        first = self.lines[statement.lineno - 1]
        indent = first[: len(first) - len(first.lstrip())]
        place = statement.lineno - 1
        return "".join(self.lines[:place]) + f"{indent}{new}\n" + "".join(self.lines[place:])

    def after(self, statement: ast.stmt, new: str) -> str:
        """With another statement below one, indented like it."""
        first = self.lines[statement.lineno - 1]
        indent = first[: len(first) - len(first.lstrip())]
        place = statement.end_lineno or statement.lineno
        head = "".join(self.lines[:place])
        return (head if head.endswith("\n") else head + "\n") + f"{indent}{new}\n" + "".join(self.lines[place:])

    def offset(self, line: int | None, column: int | None) -> int:
        before = sum(len(text) for text in self.lines[: (line or 1) - 1])
        # Columns are counted in bytes of UTF-8.
        return before + len(self.lines[(line or 1) - 1].encode()[: column or 0].decode(errors="ignore"))
