"""The pages of the documentation that nobody writes: the ops, from their table; the commands, from their help.

mkdocs calls `on_config` and `on_files` (mkdocs.yml names this file under `hooks`). The pages exist in the site alone:
what they say is what the declarations say, so there is nothing to keep in step.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import logging
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from math import inf
from pathlib import Path
from types import ModuleType
from typing import Any

import pellucid
from pellucid.core import Domain, Tensor
from pellucid.declare import FUNCTIONS, TABLE, Op
from pellucid.derivation.source import rule_source

sys.path.insert(0, str(Path(__file__).parent.parent))  # where mkdocs runs this file it is not there
from tools import coverage_page
from tools.docstrings import fenced, markdown

OPS, COMMANDS = "reference/ops", "commands"
REFERENCE = {  # the rooms whose `__all__` a page shows
    "nn": ("pellucid.nn", "pellucid.nn.utils"),
    "functional": ("pellucid.nn.functional",),
    "optim": ("pellucid.optim",),
    "data": ("pellucid.utils.data",),
    "datasets": ("pellucid.datasets",),
    "train": ("pellucid.train",),
    "viz": ("pellucid.viz",),
    "check": ("pellucid.check",),
    "derivation": ("pellucid.derivation",),
    "autograd": ("pellucid.autograd",),
    "serialize": ("pellucid.serialize",),
    "scalar": ("pellucid.scalar",),
    "trace": ("pellucid.compile",),
}
ALONE = "{show_root_heading: true, show_root_full_path: false, show_root_toc_entry: true}"


def on_config(config: Any) -> None:
    """mkdocs: put the pages into the navigation, each behind the written page that introduces it."""
    for nav in _lists(config.nav):
        for first, pages in (
            (f"{OPS}/index.md", {name: _chapter_page(name) for name in sorted(chapters())}),
            (f"{COMMANDS}/index.md", {f"pellucid {name}": f"{COMMANDS}/{name}.md" for name in commands()}),
        ):
            if first in nav:
                nav.extend({title: page} for title, page in pages.items())


def on_files(files: Any, config: Any) -> None:
    """mkdocs: add the pages to the site."""
    from mkdocs.structure.files import File  # pyright: ignore[reportMissingImports]  (of the extra docs)

    pages = {**op_pages(), **command_pages(), coverage_page.PATH: coverage_page.page(), **notebooks()}
    for path, text in pages.items():
        files.append(File.generated(config, path, content=text))


def notebooks() -> dict[str, str]:
    """Each notebook, kept as text, as an `.ipynb` without outputs. The text itself is run by mkdocs-jupyter."""
    import jupytext  # pyright: ignore[reportMissingImports]  (of the extra docs)

    folder = Path(__file__).parent.parent / "docs"
    return {
        path.relative_to(folder).with_suffix(".ipynb").as_posix(): jupytext.writes(jupytext.read(path), fmt="ipynb")
        for path in sorted((folder / "notebooks").glob("*.py"))
    }


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """mkdocs: name the functions whose file has their name, which mkdocstrings takes for the file."""
    for room, name, value in _public(page.file.src_uri.removeprefix("reference/").removesuffix(".md")):
        if value.__module__ == f"{room}.{name}":
            markdown += f"\n\n::: {room}.{name}.{name}\n    options: {ALONE}\n"
    return markdown


def on_post_build(config: Any) -> None:
    """mkdocs: warn, which fails a strict build, of each public name that the reference does not have."""
    for page in REFERENCE:
        text = (Path(config.site_dir) / "reference" / f"{page}.html").read_text(encoding="utf-8")
        for room, name, _ in _public(page):
            if f'.{name}"' not in text:
                logging.getLogger("mkdocs").warning(f"reference/{page}.md does not show {room}.{name}")


def _public(page: str) -> Iterator[tuple[str, str, Any]]:
    """The classes and functions that a page of the reference must have: room, name, value."""
    for room in REFERENCE.get(page, ()):
        module = importlib.import_module(room)
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isclass(value) or inspect.isfunction(value):
                yield room, name, value


def _lists(nav: list[Any]) -> Iterator[list[Any]]:
    yield nav
    for entry in nav:
        if isinstance(entry, dict):
            for value in entry.values():
                if isinstance(value, list):
                    yield from _lists(value)


# The ops --------------------------------------------------------------------------------------------------------------


def chapters() -> dict[str, ModuleType]:
    """The files that declare ops or functions composed of them, by their name in `pellucid.ops`, or in the package."""
    importlib.import_module("pellucid.nn")  # declares some of its own
    modules = {op.__module__ for op in TABLE.values()} | {made.__module__ for made in FUNCTIONS.values()}
    return {name.removeprefix("pellucid.").removeprefix("ops."): importlib.import_module(name) for name in modules}


@functools.cache
def op_pages() -> dict[str, str]:
    """A page for each chapter, and a list of all of them."""
    pages: dict[str, str] = {}
    rows: list[str] = []
    for name, module in sorted(chapters().items()):
        ops = {key: op for key, op in TABLE.items() if op.__module__ == module.__name__ and not _is_in_place(op)}
        made = {
            key: function
            for key, function in FUNCTIONS.items()
            if function.__module__ == module.__name__ and not isinstance(function, Op) and key == function.__name__
        }
        entries = [("function", key, _function_entry(key, function)) for key, function in made.items()]
        entries += [("op", key, _op_entry(key, op, key in made)) for key, op in ops.items()]
        entries.sort(key=lambda entry: (entry[1], entry[0]))
        head = markdown(module.__doc__ or "")
        page = _chapter_page(name)
        pages[page] = f"# {name}\n\n{head}\n\n" + "\n\n".join(text for *_, text in entries) + "\n"
        links = ", ".join(f"[`{key}`](#{key})" for key in sorted({key for _, key, _ in entries}))
        here = page.rpartition("/")[2]
        rows.append(f"| [{name}]({here}) | {links.replace('(#', f'({here}#')} |")
    table = "\n".join(["| chapter | ops |", "|---|---|", *rows])
    pages[f"{OPS}/index.md"] = INDEX.format(ops=len(TABLE), rules=sum(bool(op.rules) for op in TABLE.values())) + table
    return pages


def _chapter_page(name: str) -> str:
    return f"{OPS}/{'indexing' if name == 'index' else name}.md"  # index.md is the list of all of them


INDEX = """# The op table

Every op of pellucid, from its declaration: what it computes, the rule of its backward pass, where it is smooth, and
the PyTorch function that it is compared with. The table has {ops} ops, {rules} of them with a rule; a function
composed of ops needs none.

A rule is a function of `m`, the vocabulary of ops, and `g`, the gradient of the result, and asks by name for what else
it needs; only what is named is kept until backward. A rule is written in ops, so it can itself be differentiated.

"""


def _op_entry(name: str, op: Op, shadowed: bool) -> str:
    """One op: what it does, its facts, its rule, and folded away how it is computed."""
    title = f"## {name}" + (" (the op)" if shadowed else "")
    anchor = f" {{ #{name}{'-op' if shadowed else ''} }}"
    facts = [("offered as", _offered(name, op)), ("PyTorch", f"`{op.reference}`")]
    if op.elementwise:
        facts.append(("works on", "each element alone, after broadcasting"))
    if op.domain is not None:
        facts.append(("domain", domain(op.domain)))
    if op.view:
        facts.append(("result", "a view: it shares memory with its input"))
    if op.aux:
        facts.append(("by-products", ", ".join(f"`{by_product}`" for by_product in op.aux)))
    if kept := _kept(op):
        facts.append(("kept until backward", kept))
    parts = [title + anchor, f"```python\n{op.usage()}\n```", markdown(op.__doc__ or "")]
    parts.append(_facts(facts))
    if op.rules:
        parts.append(f"Gradient rule:\n\n```python\n{rule_source(op)}\n```")
    else:
        parts.append("No gradient: its result does not follow its inputs smoothly, or has none.")
    body = inspect.getsource(inspect.unwrap(op.forward))
    parts.append('??? note "How it is computed"\n\n' + textwrap.indent(fenced(textwrap.dedent(body)), "    "))
    return "\n\n".join(parts)


def _function_entry(name: str, made: Callable[..., Any]) -> str:
    """A function composed of ops: its signature and what it does."""
    plain = [
        parameter.replace(
            annotation=parameter.empty,
            default=_Shown(parameter.default) if parameter.default is not parameter.empty else parameter.default,
        )
        for parameter in inspect.signature(made).parameters.values()
    ]
    aliases = sorted(alias for alias, parameter in FUNCTIONS.items() if parameter is made and alias != name)
    offered = f"`pellucid.{name}`" + (f", `Tensor.{name}`" if hasattr(Tensor, name) else "")
    if aliases:
        offered += "; also called " + ", ".join(f"`{alias}`" for alias in aliases)
    facts = [("offered as", offered), ("PyTorch", f"`torch.{name}`"), ("gradient", "that of the ops it is composed of")]
    return "\n\n".join(
        [
            f"## {name} {{ #{name} }}",
            f"```python\n{name}{inspect.Signature(plain)}\n```",
            markdown(made.__doc__ or ""),
            _facts(facts),
        ]
    )


def _facts(facts: list[tuple[str, str]]) -> str:
    return "\n".join(f"- {key}: {value}" for key, value in facts)


class _Shown:
    """A default as a signature shows it: an object that is not a literal, by its type."""

    def __init__(self, value: Any) -> None:
        self.text = re.sub(r" at 0x[0-9a-f]+", "", repr(value))

    def __repr__(self) -> str:
        return self.text


def _is_in_place(op: Op) -> bool:
    """Whether `op` is the `NAME_` of another op, which tells all there is to say."""
    return op.name.endswith("_") and op.name[:-1] in TABLE and (op.__doc__ or "").startswith("In place:")


def _offered(name: str, op: Op) -> str:
    """Under which names users reach the op."""
    functional = importlib.import_module("pellucid.nn.functional")
    names: list[str] = []
    for known in (name, name + "_"):
        function = TABLE.get(known)
        if function is None or not (known == name or _is_in_place(function)):
            continue
        names += [f"`pellucid.{known}`"] * (vars(pellucid).get(known) is function)
        names += [f"`Tensor.{known}`"] * (vars(Tensor).get(known) is function)
    names += [f"`nn.functional.{name}`"] * (getattr(functional, name, None) is op)
    aliases = sorted(alias for alias, function in FUNCTIONS.items() if function is op)
    also = "; also called " + ", ".join(f"`{alias}`" for alias in aliases) if aliases else ""
    return (", ".join(names) or "part of other ops and functions only") + also


def domain(found: Domain) -> str:
    """A domain in words: `numbers above 0`."""
    if found.integers:
        return "nothing: it is for integers and bools"
    if found.low == -inf and found.high == inf:
        text = "all real numbers"
    elif found.high == inf:
        text = f"numbers above {found.low:g}"
    else:
        text = f"numbers between {found.low:g} and {found.high:g}"
    if found.kinks:
        text += " but " + ", ".join(f"{kink:g}" for kink in found.kinks)
    return text


def _kept(op: Op) -> str:
    """What the rules ask for, by name."""
    names: list[str] = []
    for rule in op.rules.values():
        names += [
            parameter for parameter in list(inspect.signature(rule).parameters)[2:] if parameter not in op.attributes
        ]
    return ", ".join(f"`{name}`" for name in dict.fromkeys(names)) or ("nothing" if op.rules else "")


# The commands ---------------------------------------------------------------------------------------------------------


def commands() -> dict[str, Any]:
    """The commands of the program, in the order in which its help lists them."""
    import typer.main

    from pellucid.cli.program import app

    program: Any = typer.main.get_command(app)
    return dict(program.commands)


def command_pages() -> dict[str, str]:
    """A page for each command."""
    from typer.cli import get_docs_for_click

    pages: dict[str, str] = {}
    for name, command in commands().items():
        context = command.make_context(name, [], resilient_parsing=True)
        text = get_docs_for_click(obj=command, ctx=context, name=f"pellucid {name}")
        pages[f"{COMMANDS}/{name}.md"] = _command_markdown(text)
    return pages


def _command_markdown(text: str) -> str:
    """typer's Markdown, with the example of the help as a block to copy, and defaults without parentheses."""
    text = re.sub(r"^Examples?: (pellucid .*)$", r"For example:\n\n```sh\n\1\n```", text, flags=re.MULTILINE)
    return re.sub(r"\[default: \((.*?)\)\]$", r"[default: \1]", text, flags=re.MULTILINE)
