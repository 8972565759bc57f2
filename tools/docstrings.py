"""Docstrings as Markdown.

They are written to be read in a terminal: `x * y`, `[0, 1)` and `<name>` mean themselves, an example starts with
`>>>`, a label such as `Raises:` heads a list. `markdown` says the same in Markdown.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator

LABELS = "Args|Attributes|Example|Formula|Note|Raises|Returns|Shape|Source|Units|Warns|Yields"


def markdown(text: str) -> str:
    """A docstring as Markdown: what is not code, list or table is taken literally, a label is bold."""
    return "\n\n".join(_block(block) for block in _blocks(inspect.cleandoc(text)))


def fenced(code: str, language: str = "python") -> str:
    """Code as a block of Markdown."""
    return f"```{language}\n{code.rstrip()}\n```"


def _blocks(text: str) -> Iterator[str]:
    """What blank lines part, and a list from the line above it; an example goes on behind the blank lines in it."""
    blocks: list[str] = []
    for part in re.split(r"\n\s*\n", text):
        if part.lstrip().startswith((">>>", "|")):
            blocks.append(textwrap.dedent(part))
        elif part.startswith("    ") and not _is_item(part):
            blocks.append(part)
        else:
            blocks += re.split(r"\n(?=(?:[-*]|\d+\.) )", part) if not _is_item(part) else [part]
    yield from blocks


def _block(block: str) -> str:
    if block.startswith(">>>"):
        return fenced(block, "pycon")
    if block.startswith("|"):
        return block
    if block.startswith("    ") and not _is_item(block):
        return fenced(textwrap.dedent(block), "text")
    if _is_item(block):
        items = re.split(r"\n(?=\s*(?:[-*]|\d+\.) )", textwrap.dedent(block))
        return "\n".join(_item(item) for item in items)
    if match := re.match(rf"({LABELS}):[ \n]", block):
        label, rest = f"**{match[1]}:**", block[match.end() :]
        if block[match.end() - 1] == " ":
            return f"{label} {_literal(rest)}"
        if rest.lstrip().startswith(">>>"):
            return f"{label}\n\n{fenced(textwrap.dedent(rest), 'pycon')}"
        entries = re.split(r"\n(?=\S)", textwrap.dedent(rest))
        return f"{label}\n\n" + "\n".join(f"- {_entry(' '.join(entry.split()))}" for entry in entries)
    return _literal(block)


def _is_item(block: str) -> bool:
    return re.match(r"\s*(?:[-*]|\d+\.) ", block) is not None


def _item(item: str) -> str:
    mark, _, rest = item.strip().partition(" ")
    return f"{mark} {_literal(' '.join(rest.split()))}"


def _entry(entry: str) -> str:
    """`name: what it is`, with the name as code."""
    name, colon, rest = entry.partition(": ")
    if not colon or "`" in name or len(name) > 60:
        return _literal(entry)
    return ", ".join(f"`{part}`" for part in name.split(", ")) + f": {_literal(rest)}"


def _literal(text: str) -> str:
    """Text in which Markdown sees nothing but code spans."""
    parts = re.split(r"(``.+?``|`[^`]+`)", text, flags=re.DOTALL)
    return "".join(part if i % 2 else _escaped(part) for i, part in enumerate(parts))


def _escaped(text: str) -> str:
    text = re.sub(r"\\([*_`])", r"\1", text)  # escaped already, in a raw docstring
    return re.sub(r"([\\*_\[\]#|])", r"\\\1", text.replace("&", "&amp;").replace("<", "&lt;"))
