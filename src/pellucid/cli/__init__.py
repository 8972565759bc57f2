"""The command line. `main` is the program `pellucid`."""

from __future__ import annotations

import sys
from importlib.util import find_spec

# What the command line needs beyond NumPy: the extra `standard`.
_NEEDED = ("typer", "rich", "matplotlib")


def main() -> None:
    """Run `pellucid`, or say what to install for it."""
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        print(
            f"pellucid: the command line needs {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not "
            "installed.\n"
            "Install it with: pip install 'pellucid[standard]'",
            file=sys.stderr,
        )
        raise SystemExit(2)
    from pellucid.cli.program import app

    app(prog_name="pellucid")
