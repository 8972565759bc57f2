"""What pages show: their blocks of code, and their commands; see `test_readme` and `test_docs`."""

import dataclasses
import re
import shlex
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def blocks(page: Path, language: str) -> list[str]:
    """The blocks of a language in a Markdown file."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def commands(page: Path) -> list[str]:
    """The lines of its shell blocks that call `pellucid`."""
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    return [line.partition("  #")[0].strip() for line in lines if line.startswith("pellucid ")]


def check(line: str) -> None:
    """Raise unless the command exists, takes these options, and what it can tell without data is right."""
    import typer.main

    from pellucid.cli.program import app
    from pellucid.experiments import options as settings
    from pellucid.experiments import space

    program: Any = typer.main.get_command(app)
    words = shlex.split(line)[1:]
    if words[0].startswith("-"):
        assert words == [option for parameter in program.params for option in parameter.opts if option == words[0]]
        return
    known = {field.name for field in dataclasses.fields(settings.Config)}
    given = program.commands[words[0]].make_context(words[0], words[1:]).params
    options = {name: value for name, value in given.items() if name in known and value is not None}
    if words[0] == "sweep":
        space.parse(given["grid"] or [], given["random"] or [], options)
    if words[0] in ("train", "sweep", "find-lr", "graph"):
        settings.check(options)
