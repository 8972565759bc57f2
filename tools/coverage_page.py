"""The page of what is covered of PyTorch, from its names, which are data, and from what pellucid answers.

python tools/coverage_page.py        prints how many names of each module there are, and how many pellucid has
"""

from __future__ import annotations

from pellucid import torch_names
from pellucid.bridge.coverage import listing, reason, tables

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
        by_reason: dict[str, list[str]] = {}
        for name in absent:
            by_reason.setdefault(reason(f"{where}.{name}"), []).append(name)
        for why, those in sorted(by_reason.items()):
            parts.append(f"Absent, {why}: " + ", ".join(f"`{name}`" for name in those) + ".\n")
    return "\n".join(parts)


if __name__ == "__main__":
    print(*listing(), sep="\n")
