"""The one kind of error that is the user's to mend: shown as a sentence, with exit code 2, never as a traceback."""

from __future__ import annotations

from collections.abc import Iterable


class UsageError(ValueError):
    """What was asked for cannot be done; the message says what was received and what to write instead."""


def unknown(what: str, received: str, known: list[str] | tuple[str, ...], more: str = "") -> UsageError:
    """The error for a name that is none of `known`, with the closest of them."""
    import difflib

    close = difflib.get_close_matches(received.lower(), known, n=1, cutoff=0.5)
    hint = f" Did you mean {close[0]}?" if close else ""
    return UsageError(f"Unknown {what} {received!r}.{hint} There are: {', '.join(known)}{more}.")


def listed(names: Iterable[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
