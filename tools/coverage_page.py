"""The page of what is covered of PyTorch, from its names, which are data, and from what pellucid answers.

python tools/coverage_page.py        prints how many names of each module there are, and how many pellucid has
"""

from __future__ import annotations

from collections.abc import Iterator

from pellucid import torch_names
from pellucid.bridge.coverage import by_reason, listing, ops, tables

PATH = "pytorch-names.md"


def page() -> str:
    """The page."""
    known = torch_names.known()
    intro = (
        "`pellucid run SCRIPT` runs a program written for PyTorch; `pellucid run --check SCRIPT` lists the names that "
        f"it uses and pellucid lacks. Of the public names of PyTorch {known.version} these are here. The page is made "
        "from the names themselves when the documentation is built.\n"
    )
    parts = ["# PyTorch's names\n", intro, "| module | names | here |\n|---|---|---|"]
    found = list(tables())
    parts += [
        f"| [`{where}`](#{where.lower().replace('.', '')}) | {len(a) + len(b)} | {len(a)} |" for where, a, b in found
    ]
    for where, here, absent in found:
        parts.append(f"\n## {where}\n")
        if here:
            parts.append("Here: " + ", ".join(f"`{name}`" for name in here) + ".\n")
        parts += lacking(where, absent, here)
    here, absent = ops()
    every = len(here) + len(absent)
    parts.append(
        f"\n## op_db\n\nOf the {every} ops in `op_db`, the table by which PyTorch {known.version} tests its ops, "
        f"{len(here)} are here.\n"
    )
    parts += lacking("torch", absent, here)
    return "\n".join(parts)


def lacking(where: str, absent: list[str], here: list[str]) -> Iterator[str]:
    """Paragraphs of absent names, those with one reason together, each with the nearest name that is here."""
    for why, those in by_reason(where, absent):
        shown: list[str] = []
        for name in those:
            near = torch_names.nearest(name, here)
            shown.append(f"`{name}`" + (f" (nearest: `{near}`)" if near else ""))
        yield f"{why[0].upper()}{why[1:]}: " + ", ".join(shown) + ".\n"


if __name__ == "__main__":
    print(*listing(), sep="\n")
